#if __has_include(<catch2/catch.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "support/catch.hpp"

#if defined(__SANITIZE_THREAD__)
#define VISOR_TESTS_WITH_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VISOR_TESTS_WITH_TSAN
#endif
#endif

#ifdef VISOR_TESTS_WITH_TSAN
// Orderings that the sanitizer cannot see. Asio orders the last release of a shared executor by a fence, which the sanitizer
// does not model. The reference count of an exception is kept inside the uninstrumented standard library. So is the opening of
// a folder, whose number may have been a socket's of another thread.
extern "C" char const* __tsan_default_suppressions();
extern "C" char const* __tsan_default_suppressions() {
  return "race:boost::asio::execution::detail::shared_target_executor\n"
         "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:closedir\n";
}
#endif
