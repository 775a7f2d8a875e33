#ifndef VISOR_DRIVER_PEER_HPP
#define VISOR_DRIVER_PEER_HPP

#include <boost/asio/ip/address.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

/// Detects servers on the same machine: a connection without encryption is a risk only to other machines.
namespace visor::detail {

/// True when a host is this machine by its name or address alone, without a name lookup.
inline bool names_this_machine(std::string const& host) {
  if (host.starts_with('/') || host == "localhost" || host.ends_with(".localhost")) return true;
  boost::system::error_code failed;
  auto const address = boost::asio::ip::make_address(host, failed);
  if (failed) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).is_loopback();
  return address.is_loopback();
}

/// True when the other end of a connected socket is on this machine.
inline bool is_this_machine(int socket) {
  ::sockaddr_storage peer{};
  ::socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<::sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_INET) {
    ::sockaddr_in v4{};
    std::memcpy(&v4, &peer, sizeof v4);
    return boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)).is_loopback();
  }
  if (peer.ss_family == AF_INET6) {
    ::sockaddr_in6 v6{};
    std::memcpy(&v6, &peer, sizeof v6);
    boost::asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return names_this_machine(boost::asio::ip::address_v6(bytes).to_string());
  }
  return peer.ss_family == AF_UNIX;
}

}  // namespace visor::detail

#endif
