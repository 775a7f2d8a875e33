#ifndef VISOR_HANDLER_WEBHOOK_HPP
#define VISOR_HANDLER_WEBHOOK_HPP

#include "visor/async/clock.hpp"
#include "visor/async/task.hpp"
#include "visor/base/descriptor_limit.hpp"
#include "visor/base/error.hpp"
#include "visor/base/process_environment.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/handler/happy_eyeballs.hpp"
#include "visor/handler/http_header.hpp"
#include "visor/handler/one_line.hpp"
#include "visor/handler/proxy.hpp"
#include "visor/handler/stopped.hpp"
#include "visor/handler/webhook_plan.hpp"
#include "visor/version.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace visor {
namespace detail {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;

/// A webhook's plan, its trusted certificates, and its proxy from the environment.
struct webhook_target : webhook_plan {
  std::optional<http_proxy> proxy;
  mutable boost::asio::ssl::context tls{boost::asio::ssl::context::tls_client};  // mutable: required for making a connection

  /// \throws visor::error `invalid_argument` when the file of certificates or the proxy cannot be used
  explicit webhook_target(webhook_options options) : webhook_plan(std::move(options)) {
    try {
      proxy = proxy_for(url().tls, url().host, url().port, process_environment());
    } catch (error const& refused) {
      throw error(errc::invalid_argument, "webhook: " + refused.message());
    }
    if (proxy) add_header(proxy->authorization.reveal());
    if (!url().tls) return;
    boost::system::error_code failed;
    tls.set_verify_mode(boost::asio::ssl::verify_peer);
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    std::string const& file = this->options().ca_file;
    if (file.empty())
      tls.set_default_verify_paths(failed);
    else
      tls.load_verify_file(file, failed);
    if (failed)
      throw error(errc::invalid_argument,
                  "webhook: " + (file.empty() ? "the system's certificates" : "ca_file " + file) + " cannot be used: " + failed.message());
  }

  /// A part of a server's header on one line, fit for a message.
  std::string redacted_line(std::string_view text) const { return one_line(redact(std::string(text)), 60); }
};

inline constexpr std::size_t longest_header = 64 * 1024;

/// One run of a webhook. All members belong to one strand.
struct webhook_call {
  std::shared_ptr<webhook_target const> target;
  job_context& job;
  boost::asio::any_io_executor strand;
  tcp::resolver resolver;
  boost::asio::steady_timer changed;
  tcp::resolver::results_type addresses;
  boost::system::error_code resolve_error;
  boost::beast::tcp_stream* stream = nullptr;  ///< null: there is none
  connection_race* race = nullptr;             ///< null: there is none
  bool resolved = false;
  bool stop = false;
  std::string answering{};  ///< progress of the answer, once its header has arrived

  webhook_call(std::shared_ptr<webhook_target const> to, job_context& of, boost::asio::any_io_executor on)
      : target(std::move(to)), job(of), strand(std::move(on)), resolver(strand), changed(strand) {}

  void request_stop() {
    stop = true;
    changed.cancel();
    if (race != nullptr) race->cancel();
    if (stream != nullptr) stream->close();
  }

  auto stage_timeout() const { return target->options().stage_timeout; }

  /// Names the other end of the connection.
  std::string peer() const { return target->proxy ? "the proxy " + target->proxy->shown : "the host"; }

  /// Must be called before and after every wait.
  void check_stop() const {
    if (stop) throw stopped(job, target->name() + " was given up" + answering);
  }

  [[noreturn]] void fail(errc what, std::string const& why) const { throw error(what, target->name() + ": " + why); }

  /// Throws when the step failed: because of a stop, a timeout, or the reason `why`.
  void check(boost::system::error_code failed, errc what, std::string const& why, std::string const& nothing_within) const {
    check_stop();
    if (failed == boost::beast::error::timeout) fail(what, nothing_within + " within " + to_string(stage_timeout()));
    if (failed) fail(what, why + ": " + one_line(failed.message()));
  }
};

/// The answer of a server.
struct webhook_answer {
  http::response_header<> header;
  std::string body;
  boost::system::error_code broke_off;  ///< the body is incomplete
  bool is_endless = false;              ///< it has no length, and its connection was still open at the timeout
  webhook_answer() = default;
};

/// The number of bytes after which the rest of a body is not read.
inline constexpr std::size_t longest_answer = 1024 * 1024;

/// Resolves the addresses, for at most the timeout of a stage: a resolver cannot be interrupted.
template <class = void>
task<> resolve(std::shared_ptr<webhook_call> call) {
  auto const& url = call->target->url();
  auto const& proxy = call->target->proxy;
  std::string const& host = proxy ? proxy->host : url.host;
  std::string const& port_text = proxy ? proxy->port : url.port;
  if (host == "localhost") {
    // RFC 6761, section 6.3: this machine, even where no file and no server says so. A bare container has no /etc/hosts.
    auto const port = static_cast<unsigned short>(std::stoul(port_text));
    std::array<tcp::endpoint, 2> const here{tcp::endpoint(boost::asio::ip::address_v4::loopback(), port),
                                            tcp::endpoint(boost::asio::ip::address_v6::loopback(), port)};
    call->addresses = tcp::resolver::results_type::create(here.begin(), here.end(), host, port_text);
    co_return;
  }
  call->resolver.async_resolve(host, port_text, [call](boost::system::error_code failed, tcp::resolver::results_type found) {
    call->resolve_error = failed;
    call->addresses = std::move(found);
    call->resolved = true;
    call->changed.cancel();
  });
  auto const deadline = std::chrono::steady_clock::now() + call->stage_timeout();
  boost::system::error_code ignored;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, ignored);
  while (!call->resolved && !call->stop && std::chrono::steady_clock::now() < deadline) {
    call->changed.expires_at(deadline);
    co_await call->changed.async_wait(token);
  }
  call->check_stop();
  if (!call->resolved) {
    call->resolver.cancel();
    call->fail(errc::connection_failed, "the name of " + call->peer() + " was not resolved within " + to_string(call->stage_timeout()));
  }
  call->check(call->resolve_error, errc::connection_failed, "the name of " + call->peer() + " is not known", {});
}

inline http::request<http::string_body> make_request(webhook_target const& target, job_context const& job) {
  bool const by_proxy = target.proxy && !target.url().tls;
  std::string const where = by_proxy ? target.url().origin() + target.url().target : target.url().target;
  http::request<http::string_body> request(http::string_to_verb(target.options().method), where, 11);
  request.set(http::field::host, target.url().authority);
  request.set(http::field::user_agent, "visor/" + std::string(version_text));
  request.keep_alive(false);
  for (auto const& [name, value] : target.context_headers(job)) request.set(name, value);
  auto body = target.body_for(job);
  if (body) request.set(http::field::content_type, "application/json");
  for (auto const& [name, value] : target.options().headers) request.set(name, value.reveal());
  if (by_proxy && !target.proxy->authorization.empty()) request.set(http::field::proxy_authorization, target.proxy->authorization.reveal());
  if (body) request.body() = std::move(*body);
  if (body) request.prepare_payload();
  return request;
}

/// Reads the header of an answer into a parser, and leaves the bytes behind it in the buffer. The parser of Beast accepts neither lines
/// that end in LF alone nor a status without a blank behind it, so it gets a corrected header.
template <class Stream, class Parser>
task<> read_header(std::shared_ptr<webhook_call> call, Stream& stream, boost::beast::flat_buffer& buffer, Parser& parser,
                   boost::system::error_code& failed) {
  auto const come = [&buffer] {
    auto const data = buffer.data();
    return std::string_view(static_cast<char const*>(data.data()), data.size());
  };
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  while (header_size(come()) == 0) {
    if (is_not_http(come())) failed = http::error::bad_version;
    if (buffer.size() >= longest_header) failed = http::error::header_limit;
    if (failed) co_return;
    auto const room = buffer.prepare(4096);
    std::size_t const size = co_await stream.async_read_some(room, token);
    buffer.commit(size);
    call->check_stop();
    bool const is_end = failed == boost::asio::error::eof || failed == boost::asio::ssl::error::stream_truncated;
    if (is_end && buffer.size() != 0) failed = http::error::partial_message;
    if (failed) co_return;
  }
  std::size_t const size = header_size(come());
  std::string const header = strict_header(come().substr(0, size));
  buffer.consume(size);
  parser.header_limit(2 * longest_header);
  parser.put(boost::asio::buffer(header), failed);
}

/// Reads an answer to its end, or as much of its body as is worth keeping. `failed` is set when not even the header arrived.
template <class Stream>
task<> read_answer(std::shared_ptr<webhook_call> call, Stream& stream, webhook_answer& answer, boost::system::error_code& failed) {
  boost::beast::flat_buffer buffer;
  std::array<char, 16 * 1024> chunk;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  for (bool informational = true; informational;) {
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    call->stream->expires_after(call->stage_timeout());
    co_await read_header(call, stream, buffer, parser, failed);
    if (failed) co_return;
    answer.header = parser.get().base();
    informational = answer.header.result_int() / 100 == 1;
    // RFC 9112, 6.3: then the body ends with the connection.
    bool const is_endless = !informational && parser.need_eof();
    if (!informational)
      call->answering = " while it answered " + std::to_string(answer.header.result_int()) +
                        (is_endless ? ": the answer has no Content-Length, and the connection stayed open" : "");
    call->stream->expires_after(call->stage_timeout());
    while (!parser.is_done() && !failed && answer.body.size() < longest_answer) {
      parser.get().body().data = chunk.data();
      parser.get().body().size = chunk.size();
      co_await http::async_read(stream, buffer, parser, token);
      call->check_stop();
      answer.body.append(chunk.data(), chunk.size() - parser.get().body().size);
      if (failed == http::error::need_buffer) failed.clear();
    }
    // Without a length the end of the connection ends the body, and few servers close TLS properly.
    bool const ended = parser.need_eof() && failed == boost::asio::ssl::error::stream_truncated;
    if (!ended) answer.broke_off = failed;
    answer.is_endless = is_endless && failed == boost::beast::error::timeout;
    if (answer.body.size() >= longest_answer && !parser.is_done()) answer.broke_off = http::error::body_limit;
    failed.clear();
  }
}

/// Sends the request over a ready stream, and reads the answer.
template <class Stream>
task<> exchange(std::shared_ptr<webhook_call> call, Stream& stream, webhook_answer& answer) {
  boost::system::error_code unsent, unread;
  auto const request = make_request(*call->target, call->job);
  call->check_stop();
  call->stream->expires_after(call->stage_timeout());
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, unsent);
  co_await http::async_write(stream, request, token);
  call->check_stop();
  if (unsent == boost::beast::error::timeout) call->check(unsent, errc::connection_lost, {}, "the request could not be sent");
  // Even when the request was not sent whole: a server may refuse it before its end.
  co_await read_answer(call, stream, answer, unread);
  if (!unread) co_return;
  if (unsent) call->check(unsent, errc::connection_lost, "the request could not be sent", {});
  if (unread == http::error::end_of_stream || unread == boost::asio::error::eof || unread == boost::asio::error::connection_reset ||
      unread == boost::asio::ssl::error::stream_truncated)
    call->fail(errc::connection_lost, "the connection was closed without an answer");
  bool const not_http = unread.category() == make_error_code(http::error::bad_version).category();
  call->check(unread, errc::connection_lost, not_http ? "the answer is not HTTP" : "no answer", "no answer");
}

/// Registers a part that a stop has to end, for the lifetime of this object.
template <class Part>
class in_use {
 public:
  in_use(Part*& current, Part& part) : current_(current) { current_ = &part; }
  in_use(in_use const&) = delete;
  in_use& operator=(in_use const&) = delete;
  ~in_use() { current_ = nullptr; }

 private:
  Part*& current_;
};

/// Connects to the host or the proxy.
template <class = void>
task<> connect(std::shared_ptr<webhook_call> call) {
  boost::system::error_code failed;
  connection_race race(call->strand, interleave_families(call->addresses), call->stage_timeout());
  in_use const use(call->race, race);
  auto socket = co_await race.run(failed);
  call->stream->socket() = std::move(socket);
  std::string const to = call->target->proxy ? "no connection to " + call->peer() : "no connection";
  call->check(failed, errc::connection_failed, to, to);
}

/// Asks the proxy for a tunnel to the host of the URL.
template <class = void>
task<> open_tunnel(std::shared_ptr<webhook_call> call) {
  auto const& target = *call->target;
  std::string const host = target.url().host.find(':') == std::string::npos ? target.url().host : "[" + target.url().host + "]";
  http::request<http::empty_body> request(http::verb::connect, host + ":" + target.url().port, 11);
  request.set(http::field::host, host + ":" + target.url().port);
  request.set(http::field::user_agent, "visor/" + std::string(version_text));
  if (!target.proxy->authorization.empty()) request.set(http::field::proxy_authorization, target.proxy->authorization.reveal());
  boost::system::error_code failed;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  call->stream->expires_after(call->stage_timeout());
  co_await http::async_write(*call->stream, request, token);
  call->check(failed, errc::connection_lost, call->peer() + " took no request", call->peer() + " took no request");
  boost::beast::flat_buffer buffer;
  http::response_parser<http::empty_body> parser;
  parser.skip(true);
  co_await read_header(call, *call->stream, buffer, parser, failed);
  call->check(failed, errc::connection_lost, "no answer of " + call->peer(), "no answer of " + call->peer());
  unsigned const status = parser.get().result_int();
  if (status / 100 == 2) co_return;
  auto const reason = parser.get().reason();
  call->fail(errc::connection_failed, call->peer() + " answered " + std::to_string(status) + " " +
                                          target.redacted_line(std::string_view(reason.data(), reason.size())));
}

using tls_stream = boost::asio::ssl::stream<boost::beast::tcp_stream>;

/// Demands the certificate of the host in the URL. OpenSSL checks the name itself, so that it can report the mismatch.
inline void expect_host(tls_stream& stream, std::string const& host) {
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  SSL* const handle = stream.native_handle();
  if (!not_an_address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), host.c_str());
    return;
  }
  // The name in the subject has not counted for long (RFC 9110, 4.3.4): a certificate without a subjectAltName is valid for no host.
  SSL_set_hostflags(handle, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  SSL_set1_host(handle, host.c_str());
  SSL_ctrl(handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str()));
}

template <class = void>
task<> handshake(std::shared_ptr<webhook_call> call, tls_stream& stream) {
  boost::system::error_code failed;
  auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
  // The fault of a certificate is known during its verification, and lost after the handshake.
  bool has_names = true;
  boost::system::error_code ignored;
  auto const look = [&has_names](bool good, boost::asio::ssl::verify_context& seen) {
    X509* const certificate = X509_STORE_CTX_get_current_cert(seen.native_handle());
    bool const is_last = X509_STORE_CTX_get_error_depth(seen.native_handle()) == 0;
    if (is_last && certificate != nullptr) has_names = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
    return good;
  };
  stream.set_verify_callback(look, ignored);
  call->stream->expires_after(call->stage_timeout());
  co_await stream.async_handshake(tls_stream::client, token);
  call->check_stop();
  auto const verdict = SSL_get_verify_result(stream.native_handle());
  if (failed && verdict == X509_V_ERR_HOSTNAME_MISMATCH)
    call->fail(errc::tls_failed,
               has_names ? "its certificate is not for this host" : "its certificate names no host: it has no subjectAltName");
  if (failed && verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) call->fail(errc::tls_failed, "its certificate is not for this address");
  if (failed && verdict != X509_V_OK)
    call->fail(errc::tls_failed, "its certificate is not trusted: " + std::string(X509_verify_cert_error_string(verdict)));
  call->check(failed, errc::tls_failed, "no TLS", "no TLS handshake");
}

/// Throws unless the status is one of success.
inline void check_status(webhook_target const& plan, http::response_header<> const& answer, std::string const& body) {
  unsigned const status = answer.result_int();
  if (status / 100 == 2) return;
  std::string what = plan.name() + " answered " + std::to_string(status);
  auto const reason = answer.reason().empty() ? http::obsolete_reason(answer.result()) : answer.reason();
  if (!reason.empty()) what += " " + plan.redacted_line(std::string_view(reason.data(), reason.size()));
  if (status == 304) throw permanent_failure(what);  // answer to a request that was not conditional
  if (status / 100 == 3) {
    auto const location = answer[http::field::location];
    std::string_view to(location.data(), location.size());
    to = to.substr(0, to.find('#'));
    what += ": redirects are not followed";
    if (check_url(to).message.empty()) what += "; it points to " + plan.redact(url_parts(to).origin());
    throw permanent_failure(what);
  }
  if (std::string const line = one_line(body.substr(0, body.find('\n'))); !line.empty()) what += ": " + line;
  if (status == 429 || status == 503) {
    auto const text = [&](http::field name) { return std::string(answer[name].data(), answer[name].size()); };
    if (auto const wait = retry_after(text(http::field::retry_after), text(http::field::date), wall_clock().now()))
      throw retry_later(what, *wait);
  }
  bool const again = status / 100 != 4 || status == 408 || status == 425 || status == 429;
  if (again) throw error(errc::handler_failed, what);
  throw permanent_failure(what);
}

/// Runs on a strand, with cancellation disabled.
template <class = void>
task<> call_webhook(std::shared_ptr<webhook_target const> target, job_context& job) {
  auto const strand = co_await boost::asio::this_coro::executor;
  auto const call = std::make_shared<webhook_call>(target, job, strand);
  std::stop_callback const on_stop(job.stop_token(), [call] { boost::asio::post(call->strand, [call] { call->request_stop(); }); });
  co_await resolve(call);
  webhook_answer answer;
  if (target->url().tls) {
    tls_stream stream(strand, target->tls);
    in_use const use(call->stream, stream.next_layer());
    expect_host(stream, target->url().host);
    co_await connect(call);
    if (target->proxy) co_await open_tunnel(call);
    co_await handshake(call, stream);
    co_await exchange(call, stream, answer);
  } else {
    boost::beast::tcp_stream stream(strand);
    in_use const use(call->stream, stream);
    co_await connect(call);
    co_await exchange(call, stream, answer);
  }
  std::string const body = target->redact(std::move(answer.body));
  job.append(body);
  if (answer.is_endless)
    job.log("\n[the answer has no Content-Length, and the connection was still open after " + to_string(call->stage_timeout()) + "]");
  else if (answer.broke_off)
    job.log("\n[the answer is not whole: " + one_line(answer.broke_off.message()) + "]");
  check_status(*target, answer.header, body);
}

template <class = void>
task<> run_webhook(std::shared_ptr<webhook_target const> target, job_context& job) {
  // The stop token ends the call; cancellation at an await would hide the reason.
  co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  if (job.stop_requested()) throw stopped(job, target->name() + " was not called");
  if (int const lack = lack_of_descriptors(); lack != 0)
    throw not_started(static_cast<std::errc>(lack), target->name() + " was not called");
  auto const executor = co_await boost::asio::this_coro::executor;
  auto calling =
      boost::asio::co_spawn(boost::asio::make_strand(executor), call_webhook(std::move(target), job), boost::asio::use_awaitable);
  co_await std::move(calling);
}

}  // namespace detail

/// A handler that makes an HTTP request. Needs OpenSSL.
///
/// The body is the payload, with `Content-Type: application/json`, or the result of the template `options.body`. In that, `{{payload}}`
/// stands for the payload and `{{payload.NAME}}` for a field at its top. `{{type}}`, `{{job_id}}`, `{{attempt}}`, `{{schedule}}`,
/// `{{planned_at}}`, `{{node}}`, `{{fence}}` and `{{epoch}}` stand for facts of the job. They are inserted as inside a JSON string
/// (`{"text": "{{payload.text}}"}`), arrays and objects as JSON, and absent values as nothing.
///
/// The headers `Visor-Job-Id`, `Visor-Attempt`, `Visor-Node`, `Visor-Fence`, `Visor-Epoch` and, for a job of a schedule, `Visor-Schedule`
/// and `Visor-Planned-At` carry the same facts, percent-encoded where they are not visible ASCII. A retry sends the same `Visor-Job-Id`, so
/// the receiver can use it as an idempotency key.
///
/// Over HTTPS, TLS 1.2 or newer, the certificate must be valid, trusted, and for the host of the URL, by its subjectAltName.
///
/// The call goes through the proxy that `http_proxy` (for `http://`) or `https_proxy` or `HTTPS_PROXY` (for `https://`) name in the
/// environment when the handler is made, unless `no_proxy` or `NO_PROXY` names the host.
///
/// Status 2xx is success. 408, 425, 429, 5xx, and any failure to get an answer are failures that are retried. With a `Retry-After`, 429 and
/// 503 are retried not before that time, an hour at most (`retry_later`). Other 4xx, 304, and redirects, which are not followed, end the
/// job (`permanent_failure`). Up to 1 MiB of the answer's body becomes the attempt's output. Errors and output mask the values of our
/// headers and of the query, segments of the path from 16 bytes on, and `options.hidden`.
///
/// A request that is not sent because this node has no descriptors left is `not_started`, and no attempt is counted.
///
/// When the job is asked to stop, the connection is closed and the handler throws `timeout`, `lease_lost` or `cancelled`. Errors name
/// scheme, host and port of the URL only, since the rest of it and the headers may be secret.
///
/// \param options the request to make; checked here
/// \throws visor::error `invalid_argument` that names the field
///
/// Thread-safe: one handler may run any number of jobs at the same time.
template <class = void>
handler webhook(webhook_options options) {
  return [target = std::make_shared<detail::webhook_target const>(std::move(options))](job_context& job) {
    return detail::run_webhook(target, job);
  };
}

}  // namespace visor

#endif
