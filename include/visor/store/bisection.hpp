#ifndef VISOR_STORE_BISECTION_HPP
#define VISOR_STORE_BISECTION_HPP

#include "visor/async/task.hpp"
#include "visor/base/error.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/store/store.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Splits a group of rows of which a database refuses one permanently, until that row stands alone and all others are written. This applies
/// only to refused values. Errors of space, rights, replicas and schemas concern the whole database, and no row is dropped for them.
namespace visor::detail {

/// A way to shorten a text that a database refuses. The list goes from the least loss on. Users who make columns shorter choose round
/// numbers of characters; the limits leave room for the text that `shortened` adds.
struct text_reduction {
  bool is_ascii = false;
  std::size_t longest = 0;  ///< bytes; 0: the whole text is dropped
  char const* what = "";
};
inline constexpr std::array text_reductions{text_reduction{true, std::string::npos, "without the characters that the database lacks"},
                                            text_reduction{false, 16000, "cut"},
                                            text_reduction{false, 3900, "cut"},
                                            text_reduction{false, 950, "cut"},
                                            text_reduction{false, 150, "cut"},
                                            text_reduction{true, 3900, "cut"},
                                            text_reduction{true, 150, "cut"},
                                            text_reduction{true, 0, "left out"}};

inline std::string reduced(std::string const& text, text_reduction const& how) {
  std::string result;
  for (std::size_t i = 0; i < text.size() && how.is_ascii; ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80)
      result += text[i];
    else if ((byte & 0xC0) != 0x80)
      result += '?';
  }
  return how.longest == 0 ? std::string() : shortened(how.is_ascii ? result : text, how.longest);
}

/// Returns the text of a refusal, short and in ASCII, so that it can be stored wherever the refusal happened.
inline std::string reason_of(error const& why) { return reduced(why.what(), text_reduction{true, 300}); }

/// Returns the character that a server reports as one which it cannot store; empty where it names none. PostgreSQL writes the bytes as 0xe2
/// 0x82 0xac, MariaDB and MySQL as \xE2\x82\xAC.
inline std::string refused_character(std::string_view server_text) {
  std::string bytes;
  std::size_t at = std::min(server_text.find("0x"), server_text.find("\\x"));
  while (at < server_text.size() && at + 4 <= server_text.size() && server_text[at + 1] == 'x') {
    unsigned byte = 0;
    char const* const first = server_text.data() + at + 2;
    if (std::from_chars(first, first + 2, byte, 16).ptr != first + 2) break;
    bytes += static_cast<char>(byte);
    at += 4;
    if (at < server_text.size() && server_text[at] == ' ') ++at;
  }
  std::size_t const length = bytes.empty() ? 0 : storable_sequence(bytes);
  return length < 2 ? std::string() : bytes.substr(0, length);
}

/// \return whether the text had that character
inline bool replace_all(std::optional<std::string>& in, std::string_view character) {
  if (!in) return false;
  bool found = false;
  for (std::size_t at = 0; (at = in->find(character, at)) != std::string::npos; ++at) {
    in->replace(at, character.size(), "?");
    found = true;
  }
  return found;
}

/// Repeats an exchange part by part, after the database refused it as a whole.
/// \tparam Exchange `task<exchange_result>(span<job_result const>, span<release const>, span<claim_request const>)`, each one transaction
template <class Exchange>
class bisected_exchange {
 public:
  explicit bisected_exchange(Exchange const& exchange) : exchange_(exchange) {}

  /// O(log n) transactions for each row that is refused, and some ten more for its variants.
  task<exchange_result> run(std::span<job_result const> done, std::span<release const> back, std::span<claim_request const> wanted) {
    co_await results(done);
    co_await returns(back);
    for (auto const& request : wanted)
      if (result_.lease_current) co_await claims(request);
    co_return std::move(result_);
  }

 private:
  using refusal = std::optional<error>;

  /// \return why it was refused; none: it was written
  task<refusal> attempt(std::span<job_result const> done, std::span<release const> back, std::span<claim_request const> wanted) {
    try {
      auto one = co_await exchange_(done, back, wanted);
      result_.lease_current = result_.lease_current && one.lease_current;
      result_.refused.insert(result_.refused.end(), one.refused.begin(), one.refused.end());
      for (auto& each : one.claims) result_.claims.push_back(std::move(each));
      for (auto& each : one.remarks) result_.remarks.push_back(std::move(each));
      if (one.next_in) look_again_in(*one.next_in);
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
      co_return thrown;
    }
    co_return std::nullopt;
  }

  task<refusal> attempt(job_result const& one) { return attempt({&one, 1}, {}, {}); }
  task<refusal> attempt(std::span<job_result const> done) { return attempt(done, {}, {}); }
  task<refusal> attempt(std::span<release const> back) { return attempt({}, back, {}); }
  task<refusal> attempt(release const& one) { return attempt({}, {&one, 1}, {}); }
  task<refusal> attempt(claim_request const& one) { return attempt({}, {}, {&one, 1}); }

  void look_again_in(duration time) { result_.next_in = std::min(result_.next_in.value_or(time), time); }

  task<> results(std::span<job_result const> done) {
    if (done.empty()) co_return;
    auto const refused = co_await attempt(done);
    if (!refused) co_return;
    if (done.size() == 1) {
      co_await one_result(done.front(), *refused);
      co_return;
    }
    co_await results(done.first(done.size() / 2));
    co_await results(done.subspan(done.size() / 2));
  }

  /// Writes one refused result. It loses a part only where the database takes the rest.
  task<> one_result(job_result const& given, error const& first) {
    refusal why = first;
    job_result one = given;
    for (int i = 0; i < most_characters; ++i) {
      auto const character = refused_character(why->server_text());
      bool const in_output = !character.empty() && replace_all(one.output, character);
      bool const in_error = !character.empty() && replace_all(one.error, character);
      if (!in_output && !in_error) break;
      auto const noted = with_note(one, "characters that the encoding of the database lacks are replaced");
      why = co_await attempt(noted);
      if (!why) co_return remark(given.job, "characters that the encoding of the database lacks are replaced in its result", first);
    }
    for (auto const& how : text_reductions)
      for (auto const parts : {part::output, part::error, part::both}) {
        auto const less = reduced_by(given, how, parts);
        if (!less) continue;
        why = co_await attempt(*less);
        if (!why) co_return remark(given.job, note_of(how, parts), first);
      }
    auto bare = given;
    bare.output.reset();
    bare.error.reset();
    why = co_await attempt(bare);
    if (!why) co_return remark(given.job, "its output and its error are left out", first);
    if (given.retry_after && given.outcome != outcome::released) {
      auto dead = given;
      dead.retry_after.reset();
      dead.state = job_state::dead;
      dead.error = "it cannot be tried again: " + reason_of(*why);
      dead.output.reset();
      why = co_await attempt(dead);
      if (!why) co_return remark(given.job, "is dead, since its next attempt is refused", first);
    }
    if (given.otherwise) {
      auto failed = *given.otherwise;
      failed.error = "the database refused the jobs that it added: " + reason_of(*why);
      why = co_await attempt(failed);
      if (!why) co_return remark(given.job, "failed, since the jobs that it added are refused", first);
    }
    result_.unwritten.push_back({given.job, reason_of(*why)});
  }

  enum class part { output, error, both };

  static std::string note_of(text_reduction const& how, part which) {
    std::string const name = which == part::output  ? "its output is "
                             : which == part::error ? "its error is "
                                                    : "its output and error are ";
    return name + how.what;
  }

  /// Returns none where there is nothing to reduce.
  static std::optional<job_result> reduced_by(job_result const& given, text_reduction const& how, part which) {
    bool const output = which != part::error;
    bool const error = which != part::output;
    if ((output && !given.output) || (error && !given.error)) return std::nullopt;
    job_result less = given;
    if (output) less.output = reduced(*given.output, how);
    if (error) less.error = reduced(*given.error, how);
    if (less.output == given.output && less.error == given.error) return std::nullopt;
    if (output && less.output->empty()) less.output.reset();
    return with_note(std::move(less), note_of(how, which));
  }

  /// Appends a note about the missing part to the error of the attempt.
  static job_result with_note(job_result of, std::string const& note) {
    bool const is_empty = !of.error || of.error->empty();
    of.error = (is_empty ? std::string() : *of.error + "; ") + note;
    return of;
  }

  task<> returns(std::span<release const> back) {
    if (back.empty()) co_return;
    auto const refused = co_await attempt(back);
    if (!refused) co_return;
    if (back.size() > 1) {
      co_await returns(back.first(back.size() / 2));
      co_await returns(back.subspan(back.size() / 2));
      co_return;
    }
    release dead = back.front();
    dead.queue.reset();
    dead.dead_with = "it cannot be put back into a queue: " + reason_of(*refused);
    auto const again = co_await attempt(dead);
    if (again)
      result_.unwritten.push_back({dead.job, reason_of(*again)});
    else
      result_.remarks.push_back({dead.job, "is dead: " + *dead.dead_with});
  }

  task<> claims(claim_request const& request) {
    claim_request one = request;
    refusal refused;
    for (;;) {
      refused = co_await attempt(one);
      if (!refused) {
        if (one.limit < request.limit) look_again_in(duration{0});
        co_return;
      }
      if (one.limit <= 1) break;
      one.limit /= 2;
    }
    one.dead_with = "it cannot be claimed: " + reason_of(*refused);
    auto const again = co_await attempt(one);
    if (again)
      result_.remarks.push_back({0, "the first job of the queue " + request.queue + " cannot be claimed: " + reason_of(*again)});
    else
      look_again_in(duration{0});
  }

  void remark(job_id job, std::string const& what, error const& why) { result_.remarks.push_back({job, what + ": " + reason_of(why)}); }

  static constexpr int most_characters = 40;

  Exchange const& exchange_;
  exchange_result result_;
};

/// Fires schedule by schedule, after the database refused all of them together. A refused fire is recorded as missed.
/// \tparam Fire `task<vector<fired>>(span<fire_order const>)`, each one transaction
template <class Fire>
class bisected_fires {
 public:
  explicit bisected_fires(Fire const& fire) : fire_(fire) {}

  task<std::vector<fired>> run(std::span<fire_order const> orders) {
    co_await all(orders);
    co_return std::move(results_);
  }

 private:
  task<std::optional<error>> attempt(std::span<fire_order const> orders) {
    try {
      auto some = co_await fire_(orders);
      for (auto& each : some) results_.push_back(std::move(each));
    } catch (error const& thrown) {
      if (!is_refusal(thrown.portable_code())) throw;
      co_return thrown;
    }
    co_return std::nullopt;
  }

  task<> all(std::span<fire_order const> orders) {
    if (orders.empty()) co_return;
    auto const refused = co_await attempt(orders);
    if (!refused) co_return;
    if (orders.size() > 1) {
      co_await all(orders.first(orders.size() / 2));
      co_await all(orders.subspan(orders.size() / 2));
      co_return;
    }
    fire_order passed = orders.front();
    passed.planned.clear();
    passed.ids.clear();
    passed.missed = "the database refuses its job: " + reason_of(*refused);
    std::span<fire_order const> const alone(&passed, 1);
    auto const again = co_await attempt(alone);
    if (again) results_.emplace_back().schedule = passed.schedule;
    results_.back().refused = reason_of(again ? *again : *refused);
  }

  Fire const& fire_;
  std::vector<fired> results_;
};

}  // namespace visor::detail

#endif
