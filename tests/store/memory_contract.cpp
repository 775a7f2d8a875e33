#include "contract/subject.hpp"

namespace visor_test {

std::unique_ptr<subject> make_subject() { return make_reference(); }

}  // namespace visor_test
