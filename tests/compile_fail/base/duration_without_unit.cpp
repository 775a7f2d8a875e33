// expect: (conversion from|no viable conversion)
// The control for the machinery of this folder: one file that fails for a known reason and compiles without it.
#include "visor/base/time.hpp"

#ifdef VISOR_CONTROL
visor::duration const wait{5};
#else
visor::duration const wait = 5;  // a number without a unit
#endif
int main() { return static_cast<int>(wait.count()); }
