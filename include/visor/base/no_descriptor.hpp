#ifndef VISOR_BASE_NO_DESCRIPTOR_HPP
#define VISOR_BASE_NO_DESCRIPTOR_HPP

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace visor::detail {

/// Names the lack of file descriptors and its remedy, for this process or for the whole system. Empty for any other reason.
/// \param reason an `errno`
inline std::string why_no_descriptor(int reason) {
  if (reason == EMFILE) return "this process has no file descriptor left: raise its limit (ulimit -n, LimitNOFILE= of systemd)";
  if (reason == ENFILE) return "the system has no file descriptor left: raise fs.file-max";
  return {};
}

/// The same for the error text of a library, which contains the text of the reason or, in parentheses, its number.
inline std::string why_no_descriptor(std::string_view words) {
  for (int const reason : {EMFILE, ENFILE})
    for (std::string const& sign : {std::generic_category().message(reason), "(" + std::to_string(reason) + ")"})
      if (words.find(sign) != std::string_view::npos) return why_no_descriptor(reason);
  return {};
}

}  // namespace visor::detail

#endif
