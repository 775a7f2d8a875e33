#ifndef VISOR_TESTS_SUPPORT_TDS_SERVER_HPP
#define VISOR_TESTS_SUPPORT_TDS_SERVER_HPP

#include "support/certificates.hpp"

#include <openssl/ssl.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

/// The other end of the wire to a SQL Server, with scripted answers: for error numbers and faults that no real server gives on
/// request. The messages follow MS-TDS, version 7.4 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
namespace visor_test::tds {

/// A value in a row: a number goes as bigint, a text as nvarchar(4000); none is a NULL of that.
using value = std::optional<std::string>;

/// The answer to one request.
struct answer {
  std::optional<std::vector<value>> row;  ///< a result of one row, whose columns are nvarchar(4000)
  std::vector<std::vector<value>> more;   ///< further rows of it
  bool is_empty = false;                  ///< a result of the columns of `row`, without a row
  std::int64_t number = 0;                ///< and if there is no `row`: a result of one row with this, where `has_number`
  bool has_number = false;
  int error = 0;                            ///< no result, but this
  std::string text = "as the script says";  ///< of the error
  std::uint64_t affected = 0;
  bool waits = false;                ///< a count of no rows comes first, in a packet of its own
  std::optional<std::size_t> cut;    ///< the connection is closed after so many bytes
  std::optional<std::size_t> stall;  ///< nothing follows so many bytes, until the client has gone

  static answer failing(int number) {
    answer result;
    result.error = number;
    return result;
  }
  static answer with(value text) {
    answer result;
    result.row = std::vector<value>{std::move(text)};
    return result;
  }
  /// A result without a row, of as many columns as any table has.
  static answer nothing() {
    answer result;
    result.row.emplace(64);
    result.is_empty = true;
    return result;
  }
  static answer with_rows(std::vector<std::vector<value>> rows) {
    answer result;
    if (rows.empty()) return nothing();
    result.row = std::move(rows.front());
    result.more.assign(std::make_move_iterator(rows.begin() + 1), std::make_move_iterator(rows.end()));
    return result;
  }
  static answer with_number(std::int64_t number) {
    answer result;
    result.number = number;
    result.has_number = true;
    return result;
  }
  answer cut_after(std::size_t bytes) const {
    answer result = *this;
    result.cut = bytes;
    return result;
  }
  answer stalled_after(std::size_t bytes) const {
    answer result = *this;
    result.stall = bytes;
    return result;
  }
};

/// Writes what goes over the wire.
class writer {
 public:
  template <class Integer>
  writer& little(Integer number) {
    for (std::size_t i = 0; i < sizeof number; ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i));
    return *this;
  }
  writer& raw(std::string_view some) {
    bytes += some;
    return *this;
  }
  /// ASCII as UTF-16.
  writer& wide(std::string_view text) {
    for (char const c : text) little(static_cast<std::uint16_t>(c));
    return *this;
  }
  /// With its length in code units in front.
  writer& short_name(std::string_view text) { return little(static_cast<std::uint8_t>(text.size())).wide(text); }

  std::string bytes;
};

/// Listens on a port of this machine and answers by a script, each connection on a thread of its own.
class server {
 public:
  struct settings {
    boost::asio::ip::address_v4 address = boost::asio::ip::address_v4::loopback();
    certificate const* identity = nullptr;  ///< it has TLS, and asks for it
    std::vector<int> login_errors;          ///< nobody is let in, and these say why
    int hangs_up_at_greeting = 0;           ///< on so many, the first, in the middle of what comes before the password
    int hangs_up_at_login = 0;              ///< and when it has the password
    /// The answer to a request, which is a batch or what a call prepared; nothing: that of `usual`.
    std::function<std::optional<answer>(std::string const& request)> script;
  };

  explicit server(settings how) : settings_(std::move(how)), acceptor_(io_, {settings_.address, 0}) {
    if (settings_.identity != nullptr) load(*settings_.identity);
    accepting_ = std::thread([this] { accept(); });
  }
  server() : server(settings()) {}
  server(server const&) = delete;
  server& operator=(server const&) = delete;
  ~server() {
    is_over_ = true;
    boost::system::error_code ignored;
    boost::asio::ip::tcp::socket knock(io_);
    knock.connect(acceptor_.local_endpoint(), ignored);
    accepting_.join();
    {
      std::scoped_lock const lock(mutex_);
      for (auto& each : clients_) each.socket.shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
    }
    for (auto& each : clients_) each.thread.join();
  }

  int port() const { return acceptor_.local_endpoint().port(); }
  int connections() const { return connections_; }
  /// The number of logins with user and password.
  int logins() const { return logins_; }
  /// The user of the last login.
  std::string user() const {
    std::scoped_lock const lock(mutex_);
    return user_;
  }
  std::string password() const {
    std::scoped_lock const lock(mutex_);
    return password_;
  }
  std::string database() const {
    std::scoped_lock const lock(mutex_);
    return database_;
  }
  /// The number of requests to cancel a running statement.
  int attentions() const { return attentions_; }
  std::vector<std::string> requests() const {
    std::scoped_lock const lock(mutex_);
    return requests_;
  }
  int times(std::string_view text) const {
    auto const all = requests();
    return static_cast<int>(std::ranges::count_if(all, [&](auto const& each) { return each.find(text) != std::string::npos; }));
  }

  /// How often a statement with this text was prepared.
  int preparations(std::string_view text) const {
    std::scoped_lock const lock(mutex_);
    return static_cast<int>(std::ranges::count_if(preparations_, [&](auto const& each) { return each.find(text) != std::string::npos; }));
  }

  /// The answer of a healthy server to the requests with which the driver begins.
  static answer usual(std::string const& request) {
    auto const has = [&](std::string_view text) { return request.find(text) != std::string::npos; };
    if (has("'productversion'")) return answer::with("16.0.4000.1");
    if (has("'babelfish'")) return answer::with(std::nullopt);
    if (has("snapshot_isolation_state")) return answer::with("1");
    if (has("sp_getapplock")) return answer::with("0");
    if (has("FROM OPENJSON(N'")) return answer::with("\"\\\n\tA");  // the texts of that, unescaped
    return {};
  }

 private:
  using tcp = boost::asio::ip::tcp;

  enum packet : unsigned char { batch = 1, call = 3, reply = 4, attention = 6, login = 16, prelogin = 18 };

  struct client {
    explicit client(boost::asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    std::thread thread;
    std::unique_ptr<SSL, decltype(&SSL_free)> tls{nullptr, SSL_free};
    std::map<std::int32_t, std::string> prepared;
  };
  struct gone {};

  void load(certificate const& identity) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);  // as servers before TDS 8
    auto const memory = [](std::string const& text) {
      return std::unique_ptr<BIO, decltype(&BIO_free)>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
    };
    std::string const pem = identity.pem();
    std::string const key_pem = identity.key_pem();
    std::unique_ptr<X509, decltype(&X509_free)> const own(PEM_read_bio_X509(memory(pem).get(), nullptr, nullptr, nullptr), X509_free);
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key(PEM_read_bio_PrivateKey(memory(key_pem).get(), nullptr, nullptr, nullptr),
                                                                  EVP_PKEY_free);
    if (SSL_CTX_use_certificate(context_.get(), own.get()) != 1 || SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1)
      throw std::runtime_error("the certificate and the key of the server do not fit");
  }

  void accept() {
    for (;;) {
      tcp::socket socket(io_);
      boost::system::error_code failed;
      acceptor_.accept(socket, failed);
      if (failed || is_over_) return;
      std::scoped_lock const lock(mutex_);
      auto& one = clients_.emplace_back(io_);
      one.socket = std::move(socket);
      one.thread = std::thread([this, &one] {
        try {
          serve(one);
        } catch (gone const&) {
        } catch (boost::system::system_error const&) {
        }
        std::scoped_lock const at_end(mutex_);
        boost::system::error_code ignored;
        one.socket.shutdown(tcp::socket::shutdown_both, ignored);
      });
    }
  }

  // Bytes, under TLS or not.

  void read(client& from, char* to, std::size_t size) {
    if (!from.tls) {
      boost::asio::read(from.socket, boost::asio::buffer(to, size));
      return;
    }
    while (size != 0) {
      int const got = SSL_read(from.tls.get(), to, static_cast<int>(size));
      if (got > 0) {
        to += got;
        size -= static_cast<std::size_t>(got);
        continue;
      }
      if (SSL_get_error(from.tls.get(), got) != SSL_ERROR_WANT_READ) throw gone();
      std::array<char, 16384> some;
      std::size_t const count = from.socket.read_some(boost::asio::buffer(some));
      BIO_write(SSL_get_rbio(from.tls.get()), some.data(), static_cast<int>(count));
    }
  }

  void write(client& to, std::string_view bytes) {
    if (!to.tls) {
      boost::asio::write(to.socket, boost::asio::buffer(bytes));
      return;
    }
    SSL_write(to.tls.get(), bytes.data(), static_cast<int>(bytes.size()));
    std::string const sealed = pending(to);
    boost::asio::write(to.socket, boost::asio::buffer(sealed));
  }

  static std::string pending(client& of) {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(of.tls.get())), '\0');
    if (!bytes.empty()) BIO_read(SSL_get_wbio(of.tls.get()), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }

  // Messages, which are one or more packets.

  std::pair<packet, std::string> receive(client& from) {
    std::string whole;
    for (;;) {
      std::array<char, 8> head;
      read(from, head.data(), head.size());
      std::size_t const size = static_cast<std::size_t>(static_cast<unsigned char>(head[2])) * 256 + static_cast<unsigned char>(head[3]);
      std::string part(size - head.size(), '\0');
      read(from, part.data(), part.size());
      whole += part;
      if ((head[1] & 1) != 0) return {static_cast<packet>(head[0]), whole};
    }
  }

  static std::string framed(packet type, std::string_view content) {
    std::string all;
    std::size_t const most = 4096 - 8;
    do {
      std::string_view const part = content.substr(0, most);
      content.remove_prefix(part.size());
      std::size_t const size = part.size() + 8;
      all += static_cast<char>(type);
      all += content.empty() ? '\1' : '\0';
      all += static_cast<char>(size >> 8);
      all += static_cast<char>(size & 0xFF);
      all += std::string(4, '\0');
      all += part;
    } while (!content.empty());
    return all;
  }

  void send(client& to, std::string_view content) { write(to, framed(reply, content)); }

  // A connection.

  void serve(client& one) {
    ++connections_;
    for (;;) {
      auto const [type, content] = receive(one);
      switch (type) {
        case prelogin: greet(one); break;
        case login:
          ++logins_;
          note_login(content);
          if (connections_ <= settings_.hangs_up_at_login) return;
          if (!settings_.login_errors.empty()) {
            std::string all;
            for (int const number : settings_.login_errors) all += failure(number, "This is error " + std::to_string(number) + ".");
            send(one, all + done(0xFD, 2, 0));
            return;
          }
          send(one, welcome());
          break;
        case batch: answer_to(one, text_of(content), false, 0); break;
        case call: answer_call(one, content); break;
        case attention:
          ++attentions_;
          send(one, done(0xFD, 0x20, 0));
          break;
        case reply: return;
      }
    }
  }

  void greet(client& one) {
    char const encryption = settings_.identity == nullptr ? '\2' : '\3';  // has none; wants it
    writer options;
    options.raw(std::string_view("\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff", 11));
    options.raw(std::string_view("\x10\x00\x0f\xa0\x00\x00", 6)).raw({&encryption, 1});
    send(one, options.bytes);
    if (connections_ <= settings_.hangs_up_at_greeting) throw gone();
    if (settings_.identity == nullptr) return;
    // The handshake is in messages of the same kind, what follows is not.
    one.tls.reset(SSL_new(context_.get()));
    SSL_set_bio(one.tls.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(one.tls.get()), -1);
    SSL_set_accept_state(one.tls.get());
    auto tls = std::move(one.tls);
    while (SSL_is_init_finished(tls.get()) == 0) {
      int const done = SSL_do_handshake(tls.get());
      bool const waits = done != 1 && SSL_get_error(tls.get(), done) == SSL_ERROR_WANT_READ;
      one.tls.swap(tls);
      std::string const bytes = pending(one);
      one.tls.swap(tls);
      if (!bytes.empty()) write(one, framed(prelogin, bytes));
      if (done == 1) break;
      if (!waits) throw gone();
      auto const content = receive(one).second;
      BIO_write(SSL_get_rbio(tls.get()), content.data(), static_cast<int>(content.size()));
    }
    one.tls = std::move(tls);
  }

  void note_login(std::string_view content) {
    auto const field = [content](std::size_t at) {
      return content.substr(little<std::uint16_t>(content, at), std::size_t{little<std::uint16_t>(content, at + 2)} * 2);
    };
    std::string password(field(44));
    for (char& c : password) {
      auto const byte = static_cast<unsigned char>(static_cast<unsigned char>(c) ^ 0xA5u);
      c = static_cast<char>(byte >> 4 | byte << 4);
    }
    std::scoped_lock const lock(mutex_);
    user_ = utf8_of(field(40));
    password_ = utf8_of(password);
    database_ = utf8_of(field(68));
  }

  static std::string welcome() {
    writer ack;
    ack.little(std::uint8_t{1}).raw(std::string_view("\x74\x00\x00\x04", 4)).short_name("Microsoft SQL Server");
    ack.raw(std::string_view("\x10\x00\x0f\xa0", 4));
    writer all;
    all.raw("\xAD").little(static_cast<std::uint16_t>(ack.bytes.size())).raw(ack.bytes);
    return all.bytes + done(0xFD, 0, 0);
  }

  void answer_call(client& one, std::string const& content) {
    // Behind the headers: the name of a procedure, or its number, and options; then the parameters.
    std::string_view rest(content);
    rest.remove_prefix(little<std::uint32_t>(rest, 0));
    std::size_t const name_size = little<std::uint16_t>(rest, 0);
    bool const has_number = name_size == 0xFFFF;
    std::string const name = has_number ? "" : text_of(rest.substr(2, name_size * 2));
    std::size_t const parameters = 2 + (has_number ? 2 : name_size * 2) + 2;
    bool const forgets = name == "sp_unprepare";
    std::int32_t handle = 0;
    if (name == "sp_execute" || forgets) {
      handle = little<std::int32_t>(rest, parameters + 5);  // an integer of four bytes, without a name
    } else {
      handle = static_cast<std::int32_t>(one.prepared.size()) + 1;
      one.prepared[handle] = text_of(rest.substr(parameters));
      std::scoped_lock const lock(mutex_);
      preparations_.push_back(one.prepared[handle]);
    }
    if (forgets) {
      send(one, done(0xFE, 0, 0));
      return;
    }
    answer_to(one, one.prepared[handle], true, handle);
  }

  void answer_to(client& one, std::string const& request, bool is_call, std::int32_t handle) {
    {
      std::scoped_lock const lock(mutex_);
      requests_.push_back(request);
    }
    std::optional<answer> given;
    if (settings_.script) given = settings_.script(request);
    answer const what = given ? *given : usual(request);
    if (what.waits) {
      std::string first = framed(reply, done(0xFD, 0x11, 0));
      first[1] = '\0';  // more packets follow
      write(one, first);
    }
    std::string const message = framed(reply, tokens(what, is_call, handle));
    if (what.cut) {
      write(one, std::string_view(message).substr(0, *what.cut));
      throw gone();
    }
    if (what.stall) {
      write(one, std::string_view(message).substr(0, *what.stall));
      for (;;) {
        char more = 0;
        read(one, &more, 1);
      }
    }
    write(one, message);
  }

  // The content of a message, token by token.

  static std::string tokens(answer const& what, bool is_call, std::int32_t handle) {
    std::string all;
    std::uint16_t const flags = what.error != 0 ? 2 : 0x10;
    if (what.error != 0) {
      all += failure(what.error, what.text);
    } else if (what.row) {
      writer row;
      row.raw("\x81").little(static_cast<std::uint16_t>(what.row->size()));
      for (std::size_t i = 0; i < what.row->size(); ++i)
        row.little(std::uint32_t{0}).little(std::uint16_t{1}).raw("\xE7").little(std::uint16_t{8000}).raw(collation).short_name("c");
      auto const write_row = [&row](std::vector<value> const& values) {
        row.raw("\xD1");
        for (value const& each : values) {
          row.little(static_cast<std::uint16_t>(each ? each->size() * 2 : 0xFFFF));
          if (each) row.wide(*each);
        }
      };
      if (!what.is_empty) write_row(*what.row);
      for (auto const& each : what.more) write_row(each);
      all += row.bytes;
    } else if (what.has_number) {
      writer row;
      row.raw("\x81").little(std::uint16_t{1});
      row.little(std::uint32_t{0}).little(std::uint16_t{1}).raw("\x26\x08").short_name("value");
      row.raw("\xD1\x08").little(what.number);
      all += row.bytes;
    }
    std::uint64_t const count = (what.row && !what.is_empty) || what.has_number ? 1 + what.more.size() : what.affected;
    if (!is_call) return all + done(0xFD, flags, count);
    writer end;
    end.raw(done(0xFF, static_cast<std::uint16_t>(flags | 1u), count)).raw("\x79").little(std::int32_t{0});
    if (what.error == 0) {  // what was prepared has this handle
      end.raw("\xAC")
          .little(std::uint16_t{0})
          .little(std::uint8_t{0})
          .little(std::uint8_t{1})
          .little(std::uint32_t{0})
          .little(std::uint16_t{0});
      end.raw("\x26\x04\x04").little(handle);
    }
    return all + end.bytes + done(0xFE, what.error != 0 ? 2 : 0, 0);
  }

  static std::string failure(int number, std::string const& text) {
    writer error;
    error.little(std::int32_t{number}).little(std::uint8_t{1}).little(std::uint8_t{16});
    error.little(static_cast<std::uint16_t>(text.size())).wide(text).short_name("script").short_name("").little(std::uint32_t{1});
    writer all;
    all.raw("\xAA").little(static_cast<std::uint16_t>(error.bytes.size())).raw(error.bytes);
    return all.bytes;
  }

  static std::string done(unsigned char token, std::uint16_t status, std::uint64_t count) {
    writer end;
    end.little(token).little(status).little(std::uint16_t{0}).little(count);
    return end.bytes;
  }

  template <class Integer>
  static Integer little(std::string_view bytes, std::size_t at) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes.at(at + i))) << (8 * i);
    return static_cast<Integer>(number);
  }

  /// The characters of ASCII in UTF-16 that are there, whatever stands between.
  static std::string text_of(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
      if (bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i + 1] == '\0') text += bytes[i++];
    return text;
  }

  static std::string utf8_of(std::string_view bytes) {
    std::string text;
    auto const unit = [bytes](std::size_t at) -> std::uint32_t { return at + 1 < bytes.size() ? little<std::uint16_t>(bytes, at) : 0; };
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
      std::uint32_t code = unit(i);
      if (code >= 0xD800 && code < 0xDC00) {
        i += 2;
        code = 0x10000 + ((code - 0xD800) << 10) + (unit(i) - 0xDC00);
      }
      int const more = code >= 0x10000 ? 3 : code >= 0x800 ? 2 : code >= 0x80 ? 1 : 0;
      static constexpr std::array<std::uint32_t, 4> leads{0, 0xC0, 0xE0, 0xF0};
      text += static_cast<char>(leads.at(static_cast<std::size_t>(more)) | code >> (6 * more));
      for (int k = more; k-- > 0;) text += static_cast<char>(0x80u | (code >> (6 * k) & 0x3Fu));
    }
    return text;
  }

  static constexpr std::string_view collation{"\x09\x04\xd0\x00\x34", 5};

  settings settings_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, SSL_CTX_free};
  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  std::thread accepting_;
  mutable std::mutex mutex_;  // of what follows
  std::list<client> clients_;
  std::vector<std::string> requests_;
  std::vector<std::string> preparations_;
  std::string user_, password_, database_;
  std::atomic<bool> is_over_{false};
  std::atomic<int> connections_{0};
  std::atomic<int> logins_{0};
  std::atomic<int> attentions_{0};
};

}  // namespace visor_test::tds

#endif
