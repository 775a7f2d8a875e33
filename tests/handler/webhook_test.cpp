#include "visor/webhook.hpp"

#include "handler/http_server.hpp"
#include "handler/runner.hpp"
#include "support/catch.hpp"

#include <sys/resource.h>

#include <boost/json/parse.hpp>

using namespace std::chrono_literals;
using namespace visor_test;
using visor::errc;
using visor::stop_reason;
using visor::webhook;
using visor::webhook_options;

namespace {

// A proxy of the machine that runs the tests is not for them.
[[maybe_unused]] bool const is_without_proxy = [] {
  for (auto const* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"}) ::unsetenv(name);
  return true;
}();

outcome call(webhook_options const& options, std::string payload = "{}") {
  return run_handler(webhook(options), job_with(std::move(payload)));
}

http_server::behaviour answering(std::string bytes) {
  http_server::behaviour how;
  how.answer = std::move(bytes);
  return how;
}

std::string status_answer(std::string const& status, std::string const& body = {}) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

using endpoint = boost::asio::ip::tcp::endpoint;

endpoint at(std::string const& address, unsigned short port) { return {boost::asio::ip::make_address(address), port}; }

/// A port on which, at this moment, nobody listens.
unsigned short free_port() {
  boost::asio::io_context io;
  return boost::asio::ip::tcp::acceptor(io, at("127.0.0.1", 0)).local_endpoint().port();
}

bool has_ipv6() {
  boost::asio::io_context io;
  boost::system::error_code failed;
  boost::asio::ip::tcp::acceptor acceptor{io};
  acceptor.open(boost::asio::ip::tcp::v6(), failed);
  if (!failed) acceptor.bind(at("::1", 0), failed);
  return !failed;
}

struct race_result {
  std::string to;  ///< the address that the connection goes to
  boost::system::error_code failed;
  std::chrono::milliseconds took{};
};

visor::task<> run_race(visor::detail::connection_race& race, race_result& result, std::size_t descriptors) {
  auto socket = co_await race.run(result.failed);
  CHECK(open_descriptors() <= descriptors + (result.failed ? 0 : 2));  // a server of this process has the other end
  if (!result.failed) result.to = socket.remote_endpoint().address().to_string();
}

/// Runs a race. `meanwhile` is called with it after `then`.
race_result race_to(std::vector<endpoint> addresses, visor::duration limit, std::chrono::milliseconds then = 1h,
                    std::function<void(visor::detail::connection_race&)> const& meanwhile = {}) {
  boost::asio::io_context io{1};
  visor::detail::connection_race race(io.get_executor(), std::move(addresses), limit);
  race_result result;
  boost::asio::steady_timer timer(io, then);
  auto const before = open_descriptors();
  timer.async_wait([&](boost::system::error_code cancelled) {
    if (!cancelled) meanwhile(race);
  });
  auto const started = std::chrono::steady_clock::now();
  boost::asio::co_spawn(io, run_race(race, result, before), [&](std::exception_ptr) { timer.cancel(); });
  io.run();
  result.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
  return result;
}

struct variable {
  variable(char const* name, std::string const& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~variable() { ::unsetenv(name_); }
  char const* name_;
};

std::string refusal(webhook_options const& options) {
  try {
    webhook(options);
  } catch (visor::error const& failure) {
    CHECK(failure.code() == errc::invalid_argument);
    return failure.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("A webhook posts the payload and tells about the job") {
  http_server const server({});
  webhook_options options(server.url("/hook?a=1"));
  options.headers.emplace("Authorization", visor::secret("Bearer t0ken"));
  auto job = job_with(R"({"pages":3})");
  job.schedule = "100% n\xC3\xA4htlich";
  job.planned_at = visor::instant{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21}} + 14h;
  auto const result = run_handler(webhook(options), job);
  CHECK(result.good);
  CHECK(result.output == "ok\n");
  auto const request = server.last();
  CHECK(request.method_string() == "POST");
  CHECK(request.target() == "/hook?a=1");
  CHECK(request.body() == R"({"pages":3})");
  CHECK(request["Host"] == "127.0.0.1:" + server.port());
  CHECK(request["Content-Type"] == "application/json");
  CHECK(request["Authorization"] == "Bearer t0ken");
  CHECK(request["User-Agent"] == "visor/" + std::string(visor::version_text));
  CHECK(request["Visor-Job-Id"] == "42");
  CHECK(request["Visor-Attempt"] == "2");
  CHECK(request["Visor-Node"] == "node-1");
  CHECK(request["Visor-Epoch"] == "7");
  CHECK(request["Visor-Schedule"] == "100%25 n%C3%A4htlich");
  CHECK(request["Visor-Planned-At"] == "2026-11-21T14:00:00Z");
  CHECK(call(options).good);
  CHECK(server.last().count("Visor-Schedule") == 0);
  CHECK(server.last().count("Visor-Planned-At") == 0);
}

TEST_CASE("A webhook uses the method and headers it is given") {
  http_server const server({});
  webhook_options options(server.url(""));
  options.method = GENERATE("GET", "PUT", "PATCH", "DELETE");
  options.headers.emplace("content-type", visor::secret("text/plain"));
  CHECK(call(options).good);
  auto const request = server.last();
  CHECK(request.method_string() == options.method);
  CHECK(request.target() == "/");
  CHECK(request.body() == (options.method == "GET" ? "" : "{}"));
  CHECK(request["Content-Type"] == "text/plain");
  CHECK(request.count("Content-Type") == 1);
}

TEST_CASE("A webhook's body may be a template") {
  http_server const server({});
  webhook_options options(server.url("?q"));
  options.body =
      R"({"text":"{{payload.text}} {{ payload.n }}{{payload.none}}","all":{{payload}},"list":{{payload.list}},"job":{{job_id}},)"
      R"("try":{{attempt}},"type":"{{type}}","schedule":"{{schedule}}","at":"{{planned_at}}","node":"{{node}}","epoch":{{epoch}}})";
  auto job = job_with(R"({"text":"say \"hi\"\n","n":1.5,"list":[1,true],"none":null})", "greet");
  job.schedule = "a\"b";
  CHECK(run_handler(webhook(options), job).good);
  CHECK(server.last().target() == "/?q");
  CHECK(server.last().body() ==
        R"({"text":"say \"hi\"\n 1.5","all":{"text":"say \"hi\"\n","n":1.5,"list":[1,true],"none":null},"list":[1,true],"job":42,)"
        R"("try":2,"type":"greet","schedule":"a\"b","at":"","node":"node-1","epoch":7})");
  CHECK(call(options, "junk").good);

  auto const fault = [&](std::string const& text) {
    options.body = text;
    return refusal(options);
  };
  CHECK(fault("{{job_ids}}") == "webhook: body: \"{{job_ids}}\" is not known; did you mean \"{{job_id}}\"?");
  CHECK_THAT(fault("{{something}}"),
             StartsWith("webhook: body: \"{{something}}\" is not known; there are: payload.NAME, payload, type, job_id"));
  CHECK_THAT(fault("{{payload.}}"), StartsWith("webhook: body: \"{{payload.}}\" is not known"));
  CHECK(fault("{{}}").starts_with("webhook: body: \"{{}}\" is not known"));
  CHECK(fault("a {{payload") == "webhook: body: \"{{payload\" has no closing \"}}\"");
}

TEST_CASE("A webhook's status decides") {
  struct expectation {
    std::string status;
    bool good, permanent;
  };
  auto const expected = GENERATE(values<expectation>({{"200 OK", true, false},
                                                      {"201 Created", true, false},
                                                      {"204 No Content", true, false},
                                                      {"299 Odd", true, false},
                                                      {"300 Multiple Choices", false, true},
                                                      {"304 Not Modified", false, true},
                                                      {"400 Bad Request", false, true},
                                                      {"401 Unauthorized", false, true},
                                                      {"404 Not Found", false, true},
                                                      {"408 Request Timeout", false, false},
                                                      {"410 Gone", false, true},
                                                      {"425 Too Early", false, false},
                                                      {"429 Too Many Requests", false, false},
                                                      {"500 Internal Server Error", false, false},
                                                      {"503 Service Unavailable", false, false},
                                                      {"600 Odd", false, false}}));
  bool const no_body = expected.status[0] == '2' || expected.status[0] == '3';
  http_server const server(answering(status_answer(expected.status, no_body ? "" : "  why it\r\nfailed")));
  auto const result = call(webhook_options(server.url("/secret-path")));
  CAPTURE(expected.status);
  CHECK(result.good == expected.good);
  CHECK(result.permanent == expected.permanent);
  if (!no_body) {
    CHECK(result.code == errc::handler_failed);
    CHECK(result.message == "webhook http://127.0.0.1:" + server.port() + " answered " + expected.status + ": why it");
    CHECK(result.output == "  why it\r\nfailed");
  }
}

TEST_CASE("A webhook does not follow redirects and says where they point, without what may be secret") {
  http_server const server(answering("HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/x?token=1\r\nContent-Length: 0\r\n\r\n"));
  auto const result = call(webhook_options(server.url()));
  CHECK(result.permanent);
  CHECK(result.message == "webhook http://127.0.0.1:" + server.port() +
                              " answered 301 Moved: redirects are not followed; it points to https://elsewhere.example");
  http_server const relative(answering("HTTP/1.1 302 \r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"));
  CHECK_THAT(call(webhook_options(relative.url())).message, EndsWith("answered 302 Found: redirects are not followed"));
}

TEST_CASE("What was not modified failed, and is no redirect") {
  http_server const server(answering("HTTP/1.1 304 Not Modified\r\nLocation: https://elsewhere.example/\r\n\r\n"));
  auto const result = call(webhook_options(server.url()));
  CHECK(result.permanent);
  CHECK(result.message == "webhook http://127.0.0.1:" + server.port() + " answered 304 Not Modified");
}

TEST_CASE("Answers of servers that are not strict are understood") {
  for (char const* bytes : {"HTTP/1.1 200 OK\nContent-Length: 3\n\nok\n", "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nok\n",
                            "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nok\n", "HTTP/1.0 200\n\nok\n", "\r\nHTTP/1.1 200 OK\r\n\r\nok\n",
                            "HTTP/1.1 100\n\nHTTP/1.1 200\nTransfer-Encoding: chunked\n\n3\r\nok\n\r\n0\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 3\n\r\nok\n"}) {
    INFO(bytes);
    http_server const server(answering(bytes));
    auto const result = call(webhook_options(server.url()));
    CHECK(result.message.empty());
    CHECK(result.good);
    CHECK(result.output == "ok\n");
  }
  http_server const failing(answering("HTTP/1.1 503\nContent-Length: 0\n\n"));
  CHECK(call(webhook_options(failing.url())).message == "webhook http://127.0.0.1:" + failing.port() + " answered 503 Service Unavailable");
}

TEST_CASE("A server that asks for time gets it") {
  auto const asked = [](std::string const& status, std::string const& headers) {
    http_server const server(answering("HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: 0\r\n\r\n"));
    auto const result = call(webhook_options(server.url()));
    CHECK_FALSE(result.permanent);
    CHECK(result.code == errc::handler_failed);
    return result.not_before.value_or(visor::duration{-1});
  };
  CHECK(asked("429 Too Many Requests", "Retry-After: 120\r\n") == 120s);
  CHECK(asked("503 Service Unavailable", "Retry-After: 0\r\n") == 0s);
  CHECK(asked("503 Service Unavailable", "Retry-After: 99999999999999999999\r\n") == 1h);
  CHECK(asked("503 Service Unavailable", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n") == 30s);
  CHECK(asked("503 Service Unavailable", "Retry-After: soon\r\n") == visor::duration{-1});
  CHECK(asked("500 Internal Server Error", "Retry-After: 120\r\n") == visor::duration{-1});
}

TEST_CASE("The header of an answer ends at its empty line, whatever ends its lines") {
  using namespace visor::detail;
  CHECK(header_size("HTTP/1.1 200 OK\r\n\r\nx") == 19);
  CHECK(header_size("HTTP/1.1 200 OK\n\nx") == 17);
  CHECK(header_size("\r\n\nHTTP/1.1 200 OK\n\r\nx") == 21);
  for (char const* part : {"", "\r\n\r\n", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\n\r", "HTTP/1.1 200 OK\nA: b\n"})
    CHECK(header_size(part) == 0);
  CHECK(strict_header("HTTP/1.1 200\nA: b\r\n\n") == "HTTP/1.1 200 \r\nA: b\r\n\r\n");
  CHECK(strict_header("\nHTTP/1.1 200 Fine\n\n") == "HTTP/1.1 200 Fine\r\n\r\n");
  for (char const* good : {"", "HT", "HTTP/1.1 2", "\r\nHTTP/1.0"}) CHECK_FALSE(is_not_http(good));
  for (char const* bad : {"SSH-2.0", "HTTP/2", "x", "HTTPS"}) CHECK(is_not_http(bad));
}

TEST_CASE("The time to wait is a number of seconds or an instant in one of three forms") {
  using namespace visor::detail;
  visor::instant const at{std::chrono::sys_days{std::chrono::year{1994} / 11 / 6} + 8h + 49min + 37s};
  for (char const* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
    CHECK(http_date(text) == at);
  for (char const* text :
       {"", "Sun, 06 Nov 1994", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT"})
    CHECK_FALSE(http_date(text));
  CHECK(retry_after(" 7 ", "", at) == 7s);
  CHECK(retry_after("Sun, 06 Nov 1994 08:49:40 GMT", "", at) == 3s);
  CHECK_FALSE(retry_after("Sun, 06 Nov 1994 08:49:30 GMT", "", at));
  CHECK_FALSE(retry_after("-1", "", at));
}

TEST_CASE("Which hosts a proxy is for") {
  using visor::detail::bypasses_proxy;
  for (char const* list : {"*", "example.com", ".example.com", "other, EXAMPLE.com", "a.example.com:443"})
    CHECK(bypasses_proxy(list, "a.Example.com", "443"));
  for (char const* list : {"", "ample.com", "a.example.com:80", "10.0.0.0/8", "b.example.com"})
    CHECK_FALSE(bypasses_proxy(list, "a.example.com", "443"));
  for (char const* list : {"10.1.2.3", "10.0.0.0/8", "10.1.2.3:80"}) CHECK(bypasses_proxy(list, "10.1.2.3", "80"));
  for (char const* list : {"10.1.2.4", "11.0.0.0/8", "2.3", "fd00::/8"}) CHECK_FALSE(bypasses_proxy(list, "10.1.2.3", "80"));
  for (char const* list : {"fd00::1", "[fd00::1]", "[fd00::1]:80", "fd00::/8", "fd00:0:0::1"}) CHECK(bypasses_proxy(list, "fd00::1", "80"));

  auto const proxy = [](std::string const& text) { return visor::detail::parse_proxy(text, "http_proxy"); };
  CHECK(proxy("proxy").port == "80");
  CHECK(proxy("http://u%40x:p:w@[::1]:3128/").host == "::1");
  CHECK(proxy("http://u%40x:p:w@[::1]:3128/").port == "3128");
  CHECK(proxy("http://u%40x:p:w@[::1]:3128/").shown == "http://[::1]:3128");
  CHECK(proxy("Aladdin:open sesame@h").authorization.reveal() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  for (char const* bad : {"socks5://u:geheim@h", "https://h", "http://", "http://u:geheim@", "h:0", "h:x", "[::1", "a b"}) {
    INFO(bad);
    CHECK_THROWS_WITH(proxy(bad), StartsWith("the variable http_proxy ") && !Contains("geheim"));
  }
}

TEST_CASE("A webhook goes through the proxy that the environment names") {
  SECTION("plainly, with the whole URL") {
    http_server const proxy({});
    variable const set("http_proxy", "http://user:geheim@127.0.0.1:" + proxy.port());
    CHECK(call(webhook_options("http://hooks.example:8080/a?b")).good);
    CHECK(proxy.last().target() == "http://hooks.example:8080/a?b");
    CHECK(proxy.last()["Host"] == "hooks.example:8080");
    CHECK(proxy.last()["Proxy-Authorization"] == "Basic dXNlcjpnZWhlaW0=");
    http_server const direct({});
    variable const none("no_proxy", "127.0.0.0/8");
    CHECK(call(webhook_options(direct.url("/direct"))).good);
    CHECK(direct.last().target() == "/direct");
  }
  SECTION("a refused tunnel") {
    http_server const proxy(answering("HTTP/1.1 407 Proxy Authentication Required\nContent-Length: 0\n\n"));
    variable const set("HTTPS_PROXY", "user:geheim@127.0.0.1:" + proxy.port());
    auto const result = call(webhook_options("https://hooks.example/a"));
    CHECK(result.message ==
          "webhook https://hooks.example: the proxy http://127.0.0.1:" + proxy.port() + " answered 407 Proxy Authentication Required");
    CHECK_FALSE(result.permanent);
    CHECK(proxy.last().method_string() == "CONNECT");
    CHECK(proxy.last().target() == "hooks.example:443");
    CHECK(proxy.last()["Host"] == "hooks.example:443");
  }
  SECTION("a tunnel") {
    scratch const folder;
    certificate const authority("Test CA", "", nullptr);
    certificate const shown("x", "DNS:hooks.example", &authority);
    http_server::behaviour how;
    how.tls = &shown;
    how.tunnel = true;
    http_server const proxy(how);
    variable const set("https_proxy", "http://127.0.0.1:" + proxy.port());
    webhook_options options("https://hooks.example/a");
    options.ca_file = folder.write("ca.pem", authority.pem());
    auto const result = call(options);
    CHECK(result.message.empty());
    CHECK(result.good);
    CHECK(proxy.last().target() == "/a");
    CHECK(proxy.server_name() == "hooks.example");
  }
  SECTION("one that cannot be used") {
    variable const set("http_proxy", "socks5://user:geheim@127.0.0.1");
    CHECK(refusal(webhook_options("http://hooks.example/")) ==
          "webhook: the variable http_proxy names a proxy that is not http://: such a proxy is not supported");
    CHECK(refusal(webhook_options("https://hooks.example/")) == "accepted");
  }
}

TEST_CASE("A webhook that gets no answer says why, and is tried again") {
  auto const failure = [](webhook_options const& options, errc code) {
    auto const result = call(options);
    CHECK_FALSE(result.good);
    CHECK_FALSE(result.permanent);
    CHECK(result.code == code);
    CHECK(result.took < 10s);
    return result.message;
  };
  SECTION("nobody listens") {
    std::string url;
    {
      http_server const server({});
      url = server.url();
    }
    CHECK(failure(webhook_options(url), errc::connection_failed) ==
          "webhook " + url.substr(0, url.size() - 1) + ": no connection: Connection refused");
  }
  SECTION("there is no such host") {
    CHECK_THAT(failure(webhook_options("https://no-such-host.invalid/x"), errc::connection_failed),
               StartsWith("webhook https://no-such-host.invalid: the name of the host is not known: "));
  }
  SECTION("it accepts and says nothing") {
    http_server::behaviour how = answering("");
    how.wait = true;
    http_server const server(how);
    webhook_options options(server.url());
    options.stage_timeout = 100ms;
    CHECK(failure(options, errc::connection_lost) == "webhook http://127.0.0.1:" + server.port() + ": no answer within 100ms");
  }
  SECTION("it closes") {
    http_server const server(answering(""));
    CHECK(failure(webhook_options(server.url()), errc::connection_lost) ==
          "webhook http://127.0.0.1:" + server.port() + ": the connection was closed without an answer");
  }
  SECTION("it closes in the middle of the header") {
    http_server const server(answering("HTTP/1.1 200 O"));
    CHECK_THAT(failure(webhook_options(server.url()), errc::connection_lost), Contains("the answer is not HTTP: partial message"));
  }
  SECTION("it is something else") {
    http_server const server(answering("220 mail.example ESMTP\r\n"));
    CHECK_THAT(failure(webhook_options(server.url()), errc::connection_lost), Contains("the answer is not HTTP: bad version"));
  }
  SECTION("its header never ends") {
    http_server const server(answering("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')));
    CHECK_THAT(failure(webhook_options(server.url()), errc::connection_lost), Contains("the answer is not HTTP: header limit exceeded"));
  }
}

TEST_CASE("The families of addresses take turns, and none is tried twice") {
  auto const order = [](std::vector<char const*> const& addresses) {
    std::vector<endpoint> given;
    for (auto const* one : addresses) given.push_back(at(one, 80));
    std::string result;
    for (auto const& one : visor::detail::interleave_families(given)) result += one.address().to_string() + " ";
    return result;
  };
  CHECK(order({}).empty());
  CHECK(order({"10.0.0.1", "10.0.0.2"}) == "10.0.0.1 10.0.0.2 ");
  CHECK(order({"fd00::1", "fd00::2", "fd00::3", "10.0.0.1", "10.0.0.2"}) == "fd00::1 10.0.0.1 fd00::2 10.0.0.2 fd00::3 ");
  CHECK(order({"10.0.0.1", "fd00::1", "10.0.0.1", "fd00::1", "fd00::2"}) == "10.0.0.1 fd00::1 fd00::2 ");
}

TEST_CASE("Every address is tried: a connection goes to the first that accepts") {
  SECTION("the next one after a moment when one does not answer") {
    silent_address const silent;
    http_server const server({}, at("127.0.0.2", silent.endpoint().port()));
    auto const result = race_to({silent.endpoint(), server.endpoint()}, 10s);
    CHECK(result.to == "127.0.0.2");
    CHECK(result.took >= 250ms);
    CHECK(result.took < 5s);
  }
  SECTION("at once when one refuses") {
    http_server const server({});
    std::vector<endpoint> addresses;
    for (int i = 2; i <= 12; ++i) addresses.push_back(at("127.0.0." + std::to_string(i), server.endpoint().port()));
    addresses.push_back(server.endpoint());
    auto const result = race_to(addresses, 10s);
    CHECK(result.to == "127.0.0.1");
    CHECK(result.took < 2s);  // 11 times 250 ms are more
  }
  SECTION("an address that answers late still counts") {
    silent_address late, silent;
    auto const answer = [&](visor::detail::connection_race&) { late.answer(); };
    auto const result = race_to({late.endpoint(), silent.endpoint()}, 10s, 400ms, answer);
    CHECK(result.to == "127.0.0.1");
    CHECK(result.took < 8s);
  }
  SECTION("also within a short limit") {
    silent_address const one, other;
    http_server const server({});
    auto const result = race_to({one.endpoint(), other.endpoint(), server.endpoint()}, 240ms);
    CHECK(result.to == "127.0.0.1");
  }
}

TEST_CASE("A race that nobody wins ends in time and says why") {
  SECTION("no address answers") {
    silent_address const one, other;
    auto const result = race_to({one.endpoint(), other.endpoint()}, 400ms);
    CHECK(result.failed == boost::beast::error::timeout);
    CHECK(result.took >= 400ms);
    CHECK(result.took < 5s);
  }
  SECTION("all refuse") {
    auto const port = free_port();
    auto const result = race_to({at("127.0.0.1", port), at("127.0.0.2", port)}, 10s);
    CHECK(result.failed == boost::asio::error::connection_refused);
    CHECK(result.took < 5s);
  }
  SECTION("a refusal says more than a family that this machine has not") {
    auto const port = free_port();
    auto const elsewhere = at("fd00:dead:beef::1", port);
    for (auto const& addresses : {std::vector{elsewhere, at("127.0.0.1", port)}, std::vector{at("127.0.0.1", port), elsewhere}}) {
      auto const failed = race_to(addresses, 1s).failed;
      // A machine with a route to everywhere waits for that address instead.
      CHECK((failed == boost::asio::error::connection_refused || failed == boost::beast::error::timeout));
    }
  }
  SECTION("there is no address") { CHECK(race_to({}, 1s).failed == boost::asio::error::host_not_found); }
  SECTION("it is cancelled") {
    silent_address const one, other;
    auto const cancel = [](visor::detail::connection_race& race) { race.cancel(); };
    auto const result = race_to({one.endpoint(), other.endpoint()}, 20s, 300ms, cancel);
    CHECK(result.failed == boost::asio::error::operation_aborted);
    CHECK(result.took < 5s);
  }
  SECTION("there are descriptors for one attempt only") {
    silent_address const silent;
    http_server const server({}, at("127.0.0.2", silent.endpoint().port()));
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(open_descriptors() + 6);
    ::setrlimit(RLIMIT_NOFILE, &tight);
    auto const result = race_to({silent.endpoint(), server.endpoint()}, 1s);
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(result.failed == boost::beast::error::timeout);
  }
}

TEST_CASE("A webhook reaches a host of which one address does not answer or refuses") {
  if (!has_ipv6()) {
    WARN("localhost has one address here");
    return;
  }
  silent_address const silent;
  bool const refuses = GENERATE(false, true);
  unsigned short const port = refuses ? free_port() : silent.endpoint().port();
  SECTION("directly") {
    http_server const server({}, at("::1", port));
    CHECK(call(webhook_options(server.url("/there", "localhost"))).message.empty());
    CHECK(server.last().target() == "/there");
  }
  SECTION("with TLS, by a proxy") {
    scratch const folder;
    certificate const authority("Test CA", "", nullptr);
    certificate const shown("x", "DNS:hooks.example", &authority);
    http_server::behaviour how;
    how.tls = &shown;
    how.tunnel = true;
    http_server const proxy(how, at("::1", port));
    variable const set("https_proxy", "http://localhost:" + proxy.port());
    webhook_options options("https://hooks.example/a");
    options.ca_file = folder.write("ca.pem", authority.pem());
    CHECK(call(options).message.empty());
    CHECK(proxy.last().target() == "/a");
  }
}

TEST_CASE("A webhook whose host does not answer is given up in time, or when its job is stopped") {
  silent_address const silent;
  std::string const url = "http://127.0.0.1:" + silent.port();
  auto const descriptors = open_descriptors();
  webhook_options options(url + "/");
  SECTION("in time") {
    options.stage_timeout = 200ms;
    auto const result = call(options);
    CHECK(result.code == errc::connection_failed);
    CHECK(result.message == "webhook " + url + ": no connection within 200ms");
    CHECK(result.took < 5s);
  }
  SECTION("stopped") {
    stop_order stop;
    stop.why = stop_reason::timed_out;
    auto const begin = std::chrono::steady_clock::now();
    stop.when = [begin] { return std::chrono::steady_clock::now() - begin > 300ms; };
    auto const result = run_handler(webhook(options), job_with("{}"), stop);
    CHECK(result.message == "timed out: webhook " + url + " was given up");
    CHECK(result.took < 5s);
  }
  CHECK(open_descriptors() <= descriptors);
}

TEST_CASE("Large bodies go both ways") {
  http_server::behaviour how;
  how.reply = [](http_server::request const& request) { return status_answer("200 OK", std::to_string(request.body().size())); };
  http_server const server(how);
  std::string const big = "\"" + std::string(10 * 1024 * 1024, 'x') + "\"";
  CHECK(call(webhook_options(server.url()), big).output == std::to_string(big.size()));

  std::string const answer(5 * 1024 * 1024, 'y');
  http_server const generous(answering(status_answer("200 OK", answer)));
  auto const result = run_handler(webhook(webhook_options(generous.url())), job_with("{}"), {}, 1, answer.size());
  CHECK(result.good);
  CHECK_THAT(result.output, EndsWith("y\n[the answer is not whole: body limit exceeded]\n"));
  CHECK(result.output.size() > 1024 * 1024);
  CHECK(result.output.size() < 1200 * 1024);

  http_server const chunked(answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  CHECK(call(webhook_options(chunked.url())).output == "abcde");
  http_server const until_closed(answering("HTTP/1.1 200 OK\r\n\r\nto the end"));
  CHECK(call(webhook_options(until_closed.url())).output == "to the end");
}

TEST_CASE("An answer that comes before the request was read whole is heard") {
  http_server::behaviour how = answering(status_answer("413 Payload Too Large", "too much"));
  how.read_request = false;
  how.wait = true;
  http_server const server(how);
  auto const result = call(webhook_options(server.url()), "\"" + std::string(10 * 1024 * 1024, 'x') + "\"");
  CHECK(result.permanent);
  CHECK_THAT(result.message, EndsWith("answered 413 Payload Too Large: too much"));
}

TEST_CASE("Informational answers are passed over") {
  http_server const server(
      answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + status_answer("200 OK", "x")));
  auto const result = call(webhook_options(server.url()));
  CHECK(result.good);
  CHECK(result.output == "x");
}

TEST_CASE("A success whose body breaks off is a success, and says so in the output") {
  http_server const server(answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
  auto const result = call(webhook_options(server.url()));
  CHECK(result.good);
  CHECK(result.output == "half\n[the answer is not whole: partial message]\n");

  http_server::behaviour stuck = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  stuck.wait = true;
  http_server const slow(stuck);
  webhook_options options(slow.url());
  options.stage_timeout = 100ms;
  CHECK_THAT(call(options).output, StartsWith("half\n[the answer is not whole: "));
}

TEST_CASE("An answer without a length lasts as long as its connection, and what waits for its end is told") {
  http_server::behaviour open = answering("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nall");
  open.wait = true;
  http_server const server(open);
  webhook_options options(server.url());
  SECTION("until a stage is over") {
    options.stage_timeout = 200ms;
    auto const result = call(options);
    CHECK(result.good);
    CHECK(result.output == "all\n[the answer has no Content-Length, and the connection was still open after 200ms]\n");
  }
  SECTION("until the job's time is over") {
    stop_order stop;
    stop.why = stop_reason::timed_out;
    auto const begin = std::chrono::steady_clock::now();
    stop.when = [begin] { return std::chrono::steady_clock::now() - begin > 300ms; };
    auto const result = run_handler(webhook(options), job_with("{}"), stop);
    CHECK(result.message == "timed out: webhook http://127.0.0.1:" + server.port() +
                                " was given up while it answered 200: the answer has no Content-Length, and the connection stayed open");
  }
}

TEST_CASE("What is secret does not come back in output or errors") {
  http_server::behaviour how;
  how.reply = [](http_server::request const& request) {
    return status_answer("500 Bad " + std::string(request["Authorization"]) + " " + std::string(request["X-Key"]),
                         std::string(request["Authorization"]) + " or t0ken-abc, k3y-def " + std::string(request.target()));
  };
  http_server const server(how);
  webhook_options options(server.url("/T000/secret"));
  options.headers.emplace("Authorization", visor::secret("Bearer t0ken-abc"));
  options.headers.emplace("X-Key", visor::secret("k3y-def"));
  auto const result = call(options);
  for (auto const& text : {result.output, result.message}) {
    CHECK_THAT(text, !Contains("t0ken-abc"));
    CHECK_THAT(text, !Contains("k3y-def"));
    CHECK_THAT(text, Contains("******** or ********, ********"));
  }
  CHECK_THAT(result.message, Contains(" answered 500 Bad ******** ********: ********"));
}

TEST_CASE("Tokens in a URL, and texts that shall be hidden, do not come back in output or errors") {
  http_server::behaviour how;
  how.reply = [](http_server::request const& request) {
    return status_answer("500 No " + std::string(request.target()), "no route " + std::string(request.target()) + "\nnor a key");
  };
  http_server const server(how);
  webhook_options options(server.url("/v1/short/long-enough-for-a-token?key=t0ken&a%20key"));
  options.hidden.emplace_back("short");
  auto const result = call(options);
  CHECK(result.output == "no route /v1/********/********?key=********&********\nnor ********");
  CHECK_THAT(result.message, EndsWith(" answered 500 No /v1/********/********?key=********&********: no route "
                                      "/v1/********/********?key=********&********"));
  options.hidden.emplace_back("127.0.0.1");
  CHECK_THAT(call(options).message, StartsWith("webhook http://********:"));
}

TEST_CASE("A stopped webhook ends at once and says why") {
  http_server::behaviour how = answering("");
  how.wait = true;
  certificate const own("localhost", "DNS:localhost", nullptr);
  bool const tls = GENERATE(false, true);
  bool const cancel_too = GENERATE(false, true);
  how.tls = tls ? &own : nullptr;
  how.handshake = false;
  http_server const server(how);
  stop_order stop;
  stop.why = stop_reason::timed_out;
  stop.cancel_too = cancel_too;
  stop.when = [&] { return server.connected(); };
  auto const result = run_handler(webhook(webhook_options(server.url())), job_with("{}"), stop);
  CHECK(result.code == errc::timeout);
  CHECK_THAT(result.message, StartsWith("timed out: webhook http"));
  CHECK_THAT(result.message, EndsWith(server.port() + " was given up"));
  CHECK(result.took < 5s);
}

TEST_CASE("A webhook whose job is stopped before it starts is not called") {
  http_server const server({});
  boost::asio::io_context io;
  visor::job_context job(job_with("{}"), "node-1", 7, io.get_executor());
  job.request_stop(stop_reason::lease_lost);
  std::string message;
  boost::asio::co_spawn(io, webhook(webhook_options(server.url()))(job), [&](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (visor::error const& failure) {
      message = failure.what();
    }
  });
  io.run();
  CHECK(message == "this node's lease was lost: webhook http://127.0.0.1:" + server.port() + " was not called");
  CHECK_FALSE(server.connected());
}

TEST_CASE("A certificate must be trusted, valid, and for the host") {
  scratch const folder;
  certificate const authority("Test CA", "", nullptr);
  certificate const stranger("Other CA", "", nullptr);
  auto const trusted = folder.write("ca.pem", authority.pem());
  auto const try_with = [&](certificate const& shown, std::string const& host, std::string const& ca_file) {
    http_server::behaviour how;
    how.tls = &shown;
    http_server const server(how);
    webhook_options options(server.url("/", host));
    options.ca_file = ca_file;
    auto result = call(options);
    if (!result.good) {
      CHECK(result.code == errc::tls_failed);
      CHECK_FALSE(result.permanent);
      CHECK(result.message.starts_with("webhook " + server.url("", host) + ": "));
      return result.message.substr(server.url("", host).size() + 10);
    }
    return "good, asked for \"" + server.server_name() + "\"";
  };
  certificate const good("x", "DNS:localhost,IP:127.0.0.1", &authority);
  CHECK(try_with(good, "localhost", trusted) == "good, asked for \"localhost\"");
  CHECK(try_with(good, "127.0.0.1", trusted) == "good, asked for \"\"");

  CHECK(try_with(good, "localhost", folder.write("other.pem", stranger.pem())) ==
        "its certificate is not trusted: unable to get local issuer certificate");
  CHECK(try_with(good, "localhost", "") == "its certificate is not trusted: unable to get local issuer certificate");
  ::setenv("SSL_CERT_FILE", trusted.c_str(), 1);
  CHECK(try_with(good, "localhost", "") == "good, asked for \"localhost\"");
  ::unsetenv("SSL_CERT_FILE");

  CHECK(try_with(certificate("localhost", "DNS:other.example", &authority), "localhost", trusted) ==
        "its certificate is not for this host");
  CHECK(try_with(certificate("localhost", "", &authority), "localhost", trusted) ==
        "its certificate names no host: it has no subjectAltName");
  CHECK(try_with(certificate("127.0.0.1", "DNS:localhost", &authority), "127.0.0.1", trusted) == "its certificate is not for this address");
  CHECK(try_with(certificate("localhost", "DNS:localhost", &authority, -7200, -60), "localhost", trusted) ==
        "its certificate is not trusted: certificate has expired");
  CHECK(try_with(certificate("localhost", "DNS:localhost", &authority, 60), "localhost", trusted) ==
        "its certificate is not trusted: certificate is not yet valid");
  CHECK(try_with(certificate("localhost", "DNS:localhost", nullptr), "localhost", trusted) ==
        "its certificate is not trusted: self-signed certificate");
}

TEST_CASE("HTTPS bodies go both ways, and servers that do not say goodbye are understood") {
  scratch const folder;
  certificate const authority("Test CA", "", nullptr);
  certificate const good("x", "DNS:localhost", &authority);
  http_server::behaviour how;
  how.tls = &good;
  how.reply = [](http_server::request const& request) { return "HTTP/1.1 200 OK\r\n\r\n" + std::to_string(request.body().size()); };
  http_server const server(how);
  webhook_options options(server.url("/", "localhost"));
  options.ca_file = folder.write("ca.pem", authority.pem());
  std::string const big = "\"" + std::string(3 * 1024 * 1024, 'x') + "\"";
  auto const result = call(options, big);
  CHECK(result.good);
  CHECK(result.output == std::to_string(big.size()));
}

TEST_CASE("A server without TLS, or one that is silent in it, is told so") {
  http_server::behaviour how = answering(status_answer("400 Bad Request"));
  how.read_request = false;
  http_server const plain(how);
  auto const result = call(webhook_options("https://127.0.0.1:" + plain.port()));
  CHECK(result.code == errc::tls_failed);
  CHECK_THAT(result.message, StartsWith("webhook https://127.0.0.1:" + plain.port() + ": no TLS: "));

  certificate const own("localhost", "DNS:localhost", nullptr);
  http_server::behaviour mute;
  mute.tls = &own;
  mute.handshake = false;
  http_server const silent(mute);
  webhook_options options(silent.url());
  options.stage_timeout = 100ms;
  CHECK(call(options).message == "webhook https://127.0.0.1:" + silent.port() + ": no TLS handshake within 100ms");
}

TEST_CASE("Options of a webhook that make no sense are refused, without what may be secret") {
  CHECK(refusal(webhook_options("ftp://x")) == "webhook: url must begin with https:// or http:// (at byte 1)");
  CHECK(refusal(webhook_options("https://me:pw@x/")) ==
        "webhook: url cannot hold user and password: use the header Authorization (at byte 9)");
  CHECK(refusal(webhook_options("http://x:0/")) == "webhook: url has a wrong port: allowed is 1 to 65535 (at byte 10)");
  CHECK(refusal(webhook_options("http:///")) == "webhook: url names no host (at byte 8)");
  CHECK(refusal(webhook_options("http://x/#y")) ==
        "webhook: url has a fragment, which is not sent: remove it, or write # as %23 (at byte 10)");
  CHECK(refusal(webhook_options("http://x/\r\n")).starts_with("webhook: url has a character"));
  webhook_options options("http://x");
  options.method = "TRACE";
  CHECK(refusal(options) == "webhook: method \"TRACE\" is not known: there are GET, POST, PUT, PATCH and DELETE");
  auto const with = [](std::string const& name, std::string const& value) {
    webhook_options changed("http://x");
    changed.headers.emplace(name, visor::secret(value));
    return refusal(changed);
  };
  CHECK(with("content-length", "1") == "webhook: header \"content-length\" is set by visor itself");
  CHECK(with("visor-job-id", "1") == "webhook: header \"visor-job-id\" is set by visor itself: choose a name without Visor-");
  CHECK(with("a b", "1") == "webhook: header \"a b\" is no name of a header");
  CHECK(with("", "1") == "webhook: header \"\" is no name of a header");
  CHECK(with("X", "s3cret\r\nY: 1") == "webhook: header \"X\" has a value with a line break or another control character");
  webhook_options twice("http://x");
  twice.headers.emplace("A", visor::secret("b"));
  twice.headers.emplace("a", visor::secret("c"));
  CHECK(refusal(twice) == "webhook: header \"a\" is given twice");
  webhook_options slow("http://x");
  slow.stage_timeout = 0s;
  CHECK(refusal(slow) == "webhook: stage_timeout is 0s: allowed is 1ms to 1h");
  webhook_options no_ca("https://x");
  no_ca.ca_file = "/no/such/ca.pem";
  CHECK_THAT(refusal(no_ca), StartsWith("webhook: ca_file /no/such/ca.pem cannot be used: "));
}

TEST_CASE("Everything that is wrong with a webhook is told with the option that it is in") {
  webhook_options options("http://x:0/");
  options.headers.emplace("Host", visor::secret("s3cret"));
  options.headers.emplace("X", visor::secret("s3cret\n"));
  options.headers.emplace("Y", visor::secret("good"));
  options.body = "{{s3cret}}";
  std::string where;
  for (auto const& fault : visor::check_options(options)) {
    where += fault.option + "/" + fault.entry + " ";
    std::string const& said = fault.general.empty() ? fault.reason : fault.general;
    CHECK(said.find("s3cret") == std::string::npos);
  }
  CHECK(where == "url/ headers/Host headers/X body/ ");
}

TEST_CASE("A webhook is called from several jobs at once and leaves nothing behind") {
  certificate const authority("Test CA", "", nullptr);
  certificate const good("x", "DNS:localhost", &authority);
  scratch const folder;
  http_server::behaviour how;
  how.tls = &good;
  how.reply = [](http_server::request const& request) { return status_answer("200 OK", std::string(request["Visor-Job-Id"])); };
  http_server const server(how);
  webhook_options options(server.url("/", "localhost"));
  options.ca_file = folder.write("ca.pem", authority.pem());
  auto const handler = webhook(options);
  run_handler(handler, job_with("{}"));
  auto const descriptors = open_descriptors();
  constexpr int count = 40;
  {
    boost::asio::io_context io{3};
    std::vector<std::unique_ptr<visor::job_context>> jobs;
    std::atomic<int> done{0};
    for (int i = 0; i < count; ++i) {
      auto job = job_with("{}");
      job.id = i;
      jobs.push_back(std::make_unique<visor::job_context>(std::move(job), "node-1", 7, io.get_executor()));
      boost::asio::co_spawn(io, handler(*jobs.back()), [&](std::exception_ptr thrown) { done += thrown == nullptr; });
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { io.run(); });
    for (auto& thread : threads) thread.join();
    CHECK(done == count);
    for (int i = 0; i < count; ++i) CHECK(jobs[static_cast<std::size_t>(i)]->take_output() == std::to_string(i));
  }
  CHECK(open_descriptors() <= descriptors + 1);
}

TEST_CASE("A webhook that finds no descriptors left was not called") {
  http_server const server({});
  webhook_options const options(server.url("/"));
  auto const idle = open_descriptors();
  CHECK(call(options).good);
  // The server closes its end of the connection a moment later, which would leave a descriptor.
  for (int i = 0; i < 5000 && open_descriptors() > idle; ++i) std::this_thread::sleep_for(1ms);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(open_descriptors() + 6);
  ::setrlimit(RLIMIT_NOFILE, &tight);
  auto const result = call(options);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(result.not_started == std::errc::too_many_files_open);
  CHECK_THAT(result.message, EndsWith(" was not called: Too many open files"));
  CHECK(call(options).good);
}
