#include "all_headers.hpp"

int other_version();

int other_version() { return VISOR_VERSION; }
