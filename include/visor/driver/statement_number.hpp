#ifndef VISOR_DRIVER_STATEMENT_NUMBER_HPP
#define VISOR_DRIVER_STATEMENT_NUMBER_HPP

#include <atomic>
#include <cstddef>

namespace visor::detail {

/// Assigns a small number to each statement of the program: the index of its prepared form in a connection.
class statement_number {
 public:
  template <class Definition>
  static std::size_t of() {
    static std::size_t const number = next()++;
    return number;
  }

 private:
  static std::atomic<std::size_t>& next() {
    static std::atomic<std::size_t> count{0};
    return count;
  }
};

}  // namespace visor::detail

#endif
