// expect: this type cannot be in a payload: describe it with BOOST_DESCRIBE_STRUCT
#include "visor/handler/payload.hpp"

#include <vector>

enum class colour { red };
struct picture {
  std::vector<colour> colours;
};
BOOST_DESCRIBE_STRUCT(picture, (), (colours))

std::string const text = visor::to_payload(picture());
