#ifndef VISOR_DRIVER_MYSQL_SOCKET_HPP
#define VISOR_DRIVER_MYSQL_SOCKET_HPP

#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/base/is_ready.hpp"
#include "visor/driver/mysql/library.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <optional>

namespace visor::mysql_driver {

/// The socket of a connection under a number of our own, for waits and shutdown: the library closes its own number when a connection
/// breaks, and other code may have that number afterwards.
class watched_socket {
 public:
  /// \param number the library's
  explicit watched_socket(int number) : number_(::fcntl(number, F_DUPFD_CLOEXEC, 0)) {
    if (number_ < 0) throw error(errc::connection_failed, "no file number is left for a connection: raise the limit, see `ulimit -n`");
  }
  watched_socket(watched_socket const&) = delete;
  watched_socket& operator=(watched_socket const&) = delete;
  ~watched_socket() {
    detach();
    ::close(number_);
  }

  void attach(boost::asio::any_io_executor const& executor) {
    descriptor_.emplace(executor);
    descriptor_->assign(number_);
  }

  void detach() noexcept {
    if (!descriptor_) return;
    boost::system::error_code ignored;
    descriptor_->cancel(ignored);
    try {
      descriptor_->release();
    } catch (std::exception const&) {  // it was not assigned
    }
    descriptor_.reset();
  }

  /// Shuts the connection down, and ends every wait for it. From any thread.
  void shut() const noexcept { ::shutdown(number_, SHUT_RDWR); }

  /// Waits for the socket.
  /// \param what bits of MYSQL_WAIT_READ and so on. The library's own timeouts are for the connect only: later timeouts are the pool's, and
  /// MYSQL_WAIT_TIMEOUT is ignored
  /// \return the bits that are ready
  task<int> wait(int what) {
    namespace asio = boost::asio;
    using asio::posix::descriptor_base;
    bool const reads = (what & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) != 0;
    bool const writes = !reads || (what & MYSQL_WAIT_WRITE) != 0;
    for (;;) {
      if (reads && writes) {
        auto group = asio::experimental::make_parallel_group(descriptor_->async_wait(descriptor_base::wait_read, asio::deferred),
                                                             descriptor_->async_wait(descriptor_base::wait_write, asio::deferred));
        auto waiting = group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
        co_await std::move(waiting);
      } else {
        auto waiting = descriptor_->async_wait(reads ? descriptor_base::wait_read : descriptor_base::wait_write, asio::use_awaitable);
        co_await std::move(waiting);
      }
      if (reads && visor::detail::is_ready(number_, POLLIN)) co_return MYSQL_WAIT_READ;
      if (writes && visor::detail::is_ready(number_, POLLOUT)) co_return MYSQL_WAIT_WRITE;
    }
  }

 private:
  int number_;
  std::optional<boost::asio::posix::stream_descriptor> descriptor_;
};

}  // namespace visor::mysql_driver

#endif
