// One program for every database. The programs differ in one include and one type, which CMake fills in: this file is five
// programs. Try: ./any_database_sqlite, or DATABASE_URL=postgresql://user:password@localhost/database ./any_database_postgresql
#include EXAMPLE_HEADER  // <visor/postgresql.hpp>
#include <visor/visor.hpp>

#include <iostream>

using database = EXAMPLE_DATABASE;  // visor::postgresql

struct add {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(add, (), (number))
template <>
struct visor::job_type_of<add> {
  static constexpr std::string_view name = "add";
};

struct begin {};
BOOST_DESCRIBE_STRUCT(begin, (), ())
template <>
struct visor::job_type_of<begin> {
  static constexpr std::string_view name = "begin";
};

int main() {
  using namespace visor::literals;
  boost::asio::io_context io;
  visor::scheduler<database> scheduler{io};

  int jobs = 0;
  int sum = 0;
  scheduler.on<add>([&](add const& what) -> visor::task<> {
    sum += what.number;
    if (++jobs == 10) scheduler.stop();
    co_return;
  });
  scheduler.on<begin>([&](begin const&) -> visor::task<> {
    for (int number = 1; number <= 10; ++number) co_await scheduler.async_enqueue(visor::job<add>(number));
  });
  scheduler.at("once", visor::wall_clock().now(), begin{});
  scheduler.run();
  std::cout << jobs << " jobs, sum " << sum << std::endl;
}
