#ifndef VISOR_TESTS_SUPPORT_ALLOCATIONS_HPP
#define VISOR_TESTS_SUPPORT_ALLOCATIONS_HPP

#include <atomic>
#include <cstdlib>
#include <new>

/// Counts every operator new of the program that includes this, in one file of its own: it replaces them, which the sanitizers do too.
namespace visor_test {

inline std::atomic<long> allocations{0};

inline void* counted(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}

}  // namespace visor_test

void* operator new(std::size_t size) { return visor_test::counted(size); }
void* operator new[](std::size_t size) { return visor_test::counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

#endif
