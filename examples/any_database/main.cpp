// One program for every database. The programs differ in one include and one type, which CMake fills in: this file is five
// programs. Try: ./any_database_sqlite, or DATABASE_URL=postgresql://user:password@localhost/database ./any_database_postgresql
#include <visor/config/sources.hpp>
#include EXAMPLE_HEADER  // <visor/postgresql.hpp>
#include <visor/visor.hpp>

#include <iostream>

using database = EXAMPLE_DATABASE;  // visor::postgresql

struct add {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(add, (), (number))

struct begin {};
BOOST_DESCRIBE_STRUCT(begin, (), ())

int main() {
  using namespace visor::literals;
  boost::asio::io_context io;
  visor::scheduler<database> scheduler{io, visor::load_environment(visor::storage_driver::EXAMPLE_NAME)};

  int jobs = 0;
  int sum = 0;
  scheduler.on<add>("add", [&](add const& what) -> visor::task<> {
    sum += what.number;
    if (++jobs == 10) scheduler.stop();
    co_return;
  });
  scheduler.on<begin>("begin", [&](begin const&) -> visor::task<> {
    for (add each; each.number < 10;) {
      ++each.number;
      co_await scheduler.async_enqueue(each, boost::asio::use_awaitable);
    }
  });
  scheduler.at("once", visor::wall_clock().now(), begin{});
  scheduler.run();
  std::cout << jobs << " jobs, sum " << sum << std::endl;
}
