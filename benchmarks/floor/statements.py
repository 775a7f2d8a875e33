"""Makes a C header of the statements in files of tests/sql/golden, so that the floors issue what visor issues.

  statements.py HEADER FILE...

The statement `name` of `jobs.sql` becomes the string JOBS_NAME.
"""

import pathlib
import sys


def main(header, *files):
    lines = []
    for file in map(pathlib.Path, files):
        name = None
        for line in file.read_text().splitlines():
            if line.startswith("-- "):
                name = f"{file.stem}_{line[3:]}".upper()
            elif line.endswith(";") and name:
                text = line[:-1].replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'#define {name} "{text}"\n')
                name = None
    pathlib.Path(header).write_text("".join(lines))


main(*sys.argv[1:])
