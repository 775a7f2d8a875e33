#ifndef VISOR_TESTS_SUPPORT_NO_DESCRIPTORS_HPP
#define VISOR_TESTS_SUPPORT_NO_DESCRIPTORS_HPP

#include <sys/resource.h>
#include <unistd.h>

namespace visor_test {

/// While it lives, this process cannot open another file.
class no_descriptors {
 public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    int const next = ::dup(0);
    ::close(next);
    rlimit small = before_;
    small.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &small);
  }
  no_descriptors(no_descriptors const&) = delete;
  no_descriptors& operator=(no_descriptors const&) = delete;
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace visor_test

#endif
