#include "contract/tested_store.hpp"

namespace visor_test {

std::unique_ptr<tested_store> make_tested_store() { return make_reference(); }

}  // namespace visor_test
