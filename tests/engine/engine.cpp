#include "fake_clock_cluster.hpp"

template class visor::engine<visor_test::store_type, visor::manual_clock>;
