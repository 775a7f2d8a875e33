"""See ../README.md for what a driver is told and says."""

import asyncio
import importlib.metadata
import os
import sys

import procrastinate

URL = os.environ["PEER_URL"]
JOBS, CONCURRENCY, INSERT_BATCH = (int(os.environ["PEER_" + name]) for name in ("JOBS", "CONCURRENCY", "INSERT_BATCH"))

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL, max_size=CONCURRENCY))
count = 0


@app.task(name="nothing")
async def nothing(id):
    global count
    count += 1


def ready():
    print("ready", importlib.metadata.version("procrastinate"), flush=True)
    sys.stdin.readline()


async def enqueue():
    await app.schema_manager.apply_schema_async()
    ready()
    for first in range(0, JOBS, INSERT_BATCH):
        await nothing.batch_defer_async(*({"id": i} for i in range(first, min(JOBS, first + INSERT_BATCH))))
    return JOBS


async def work():
    ready()
    await app.run_worker_async(concurrency=CONCURRENCY, wait=False, listen_notify=False, install_signal_handlers=False)
    return count


async def main(phase):
    async with app.open_async():
        return await phase()


print("done", asyncio.run(main({"enqueue": enqueue, "work": work}[sys.argv[1]])), flush=True)
