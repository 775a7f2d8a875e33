#ifndef VISOR_BASE_COMPILER_HPP
#define VISOR_BASE_COMPILER_HPP

/// \file Refuses compilers that are too old, before they print pages of other errors.

#if !defined(__cpp_impl_coroutine) && !defined(__cpp_coroutines)
#error "visor needs C++20 with coroutines: GCC 12 or newer, or clang 16 or newer, with -std=c++20"
#elif defined(__clang__) && __clang_major__ < 16
#error "visor needs clang 16 or newer, or GCC 12 or newer"
#elif defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 12
#error "visor needs GCC 12 or newer, or clang 16 or newer"
#endif

#endif
