#include "all_headers.hpp"

int other_version();

// Both files must agree on every inline function and type: the linker refuses what is defined twice.
int main() { return other_version() == VISOR_VERSION ? 0 : 1; }
