#include "all_headers.hpp"

template class visor::scheduler<visor::memory>;

int other_version();

int other_version() { return VISOR_VERSION; }
