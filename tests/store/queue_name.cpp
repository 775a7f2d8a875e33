#include "visor/settings/queue_name.hpp"

#include "support/catch.hpp"

#include <string>

namespace {

visor::job_limits by_key() {
  visor::job_limits limits;
  limits.key_rate = 5;
  return limits;
}

visor::job_limits of_type() {
  visor::job_limits limits;
  limits.concurrency = 5;
  return limits;
}

}  // namespace

TEST_CASE("a queue, a capability, a type and a key make a name, and are found in it again", "[queue_name]") {
  struct one {
    char const* text;
    char const* queue;
    char const* capability;
    char const* type;
    char const* key;
  };
  for (auto const& each :
       {one{"default", "default", "", "", ""}, one{"default+gpu", "default", "gpu", "", ""}, one{"default*mail", "default", "", "mail", ""},
        one{"default+gpu*mail", "default", "gpu", "mail", ""}, one{"default+gpu*a+b*c*d+e", "default", "gpu", "a+b", "c*d+e"}}) {
    INFO(each.text);
    visor::queue_name const name(each.text);
    CHECK(name.queue == each.queue);
    CHECK(name.capability == each.capability);
    CHECK(name.type == each.type);
    CHECK(name.key == each.key);
    CHECK(name.is_limited() == (std::string(each.type) != ""));
    auto const limits = name.is_limited() ? by_key() : visor::job_limits();
    CHECK(visor::queue_of(name.queue, name.capability, limits, name.type, name.key) == each.text);
  }
}

TEST_CASE("a key only matters where keys have limits, a type where it has", "[queue_name]") {
  CHECK(visor::queue_of("default", "", of_type(), "mail", "a") == "default*mail");
  CHECK(visor::queue_of("default", "", by_key(), "mail", "a") == "default*mail*a");
  CHECK(visor::queue_of("default", "", by_key(), "mail", "") == "default*mail");
  CHECK(visor::queue_of("default", "gpu", visor::job_limits(), "mail", "a") == "default+gpu");
}

TEST_CASE("the queues of the keys of a type lie between two names, and nothing else does", "[queue_name]") {
  std::string const queue = "default*mail";
  auto const is_between = [&](std::string const& name) { return visor::before_keys(queue) < name && name < visor::behind_keys(queue); };
  CHECK(is_between("default*mail*a"));
  CHECK(is_between("default*mail*\xF4\x8F\xBF\xBF"));
  CHECK(is_between("default*mail* "));
  CHECK_FALSE(is_between("default*mail"));
  CHECK_FALSE(is_between("default*mail (new)"));
  CHECK_FALSE(is_between("default*mailing"));
  CHECK_FALSE(is_between("default*mail+"));
}

TEST_CASE("a key that is too long is refused", "[queue_name]") {
  CHECK_NOTHROW(visor::queue_of("default", "", by_key(), "mail", std::string(100, 'k')));
  CHECK_THROWS_AS(visor::queue_of("default", "", by_key(), "mail", std::string(101, 'k')), visor::error);
}
