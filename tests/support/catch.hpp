#ifndef VISOR_TESTS_SUPPORT_CATCH_HPP
#define VISOR_TESTS_SUPPORT_CATCH_HPP

// Catch2 version 2 (Debian 12) is one header, version 3 (Debian 13) many. Only what both spell alike may be used in tests:
// TEST_CASE, SECTION, CHECK, REQUIRE, ..._THROWS_AS, INFO, CAPTURE, GENERATE, Catch::Approx, and the matchers named below.

#if __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#endif

namespace visor_test {

#if __has_include(<catch2/catch.hpp>)
using Catch::Matchers::Contains;
#else
inline auto Contains(std::string const& text) { return Catch::Matchers::ContainsSubstring(text); }
#endif
using Catch::Matchers::EndsWith;
using Catch::Matchers::Equals;
using Catch::Matchers::StartsWith;

}  // namespace visor_test

#endif
