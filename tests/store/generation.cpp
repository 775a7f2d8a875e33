#include "visor/store/generation.hpp"

#include "support/catch.hpp"

using namespace std::chrono_literals;
using visor::detail::fence_of;
using visor::detail::generation_at;
using visor::detail::generations_begin;
using visor::detail::goes_on_at;
using visor::detail::ids_of_a_second;

TEST_CASE("a generation is the second in which it begins, and greater than the one before") {
  CHECK(generation_at(generations_begin + 90s, 0) == 90);
  CHECK(generation_at(generations_begin + 90s + 999ms, 0) == 90);
  CHECK(generation_at(generations_begin + 90s, 90) == 91);
  CHECK(generation_at(generations_begin - 1h, 0) == 1);
  CHECK(fence_of(0, 3) == 3);
  CHECK(fence_of(91, 1) > fence_of(90, 1'000'000));
}

TEST_CASE("ids go on where the time is, or behind those that were given out") {
  CHECK(goes_on_at(ids_of_a_second, generations_begin + 1s, 5) == 8192);
  CHECK(goes_on_at(ids_of_a_second, generations_begin + 1500ms, 5) == 12288);
  CHECK(goes_on_at(ids_of_a_second, generations_begin + 1s, 8192) == 8192 + (std::int64_t{1} << 32) + 8192);
  CHECK(goes_on_at(ids_of_a_second, generations_begin + 2s, 20'000) == 20'000 + (std::int64_t{1} << 32) + 16384);
  CHECK(goes_on_at(ids_of_a_second, generations_begin - 1s, 5) == 5 + (std::int64_t{1} << 32));
}

TEST_CASE("ids and fences stay within their bounds for as long as is said") {
  constexpr visor::instant end_of_ids{std::chrono::sys_days{std::chrono::year{2088} / 1 / 1}};
  constexpr visor::instant end_of_fences{std::chrono::sys_days{std::chrono::year{2200} / 1 / 1}};
  CHECK(goes_on_at(ids_of_a_second, end_of_ids, 1) < std::int64_t{1} << 44);
  CHECK(fence_of(generation_at(end_of_fences, 1), 1'000'000) < std::int64_t{1} << 53);
}
