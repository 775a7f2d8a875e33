#include "world.hpp"

template class visor::engine<visor_test::store_type, visor::manual_clock>;
