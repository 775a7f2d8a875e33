// expect: this type cannot be in a payload
#include "visor/handler/payload.hpp"

struct wait {
  std::chrono::nanoseconds length{};
};
BOOST_DESCRIBE_STRUCT(wait, (), (length))

wait const value = visor::from_payload<wait>("{}");
