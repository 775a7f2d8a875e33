#ifndef VISOR_CONFIG_YAML_DOCUMENT_HPP
#define VISOR_CONFIG_YAML_DOCUMENT_HPP

#include "visor/base/process_environment.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/config/document.hpp"
#include "visor/config/text_map.hpp"
#include "visor/config/variables.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace visor::detail {

/// Converts YAML to a document. Replaces variables, follows aliases and merge keys, and reports constructs that YAML allows and
/// a configuration file must not hold.
class yaml_document final : private YAML::EventHandler {
 public:
  /// \param text of the file; must outlive this
  yaml_document(std::string_view text, std::string file, environment const& lookup)
      : text_(without_mark(text)), file_(std::move(file)), lookup_(lookup) {
    parse();
  }

  node root;
  std::vector<config_error> errors;

  /// Whether the file could be read to its end.
  bool whole() const noexcept { return whole_; }

 private:
  struct frame {
    node value;
    std::size_t anchor = 0;
    bool has_key = false;
    bool skip = false;  ///< the key was refused, so its value is dropped
    node key;
    std::vector<node> merged{};
    std::unordered_map<std::string, int> lines{};  ///< of the keys so far
  };

  struct stop {};  // thrown to leave the parser when there is no point in going on

  static std::string_view without_mark(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    return text;
  }

  void parse() {
    std::string_view const text = text_.text();
    if (text.size() > document_limits::bytes)
      return fail({}, {}, "the file is larger than " + std::to_string(document_limits::bytes / 1024 / 1024) + " MiB");
    if (auto const wrong = wrong_byte(text)) return fail(text_.at(wrong->first), {}, wrong->second + " cannot be in the file");
    try {
      std::istringstream in{std::string{text}};
      YAML::Parser parser{in};
      while (parser.HandleNextDocument(*this)) {
      }
      whole_ = true;
    } catch (stop const&) {
    } catch (YAML::Exception const& wrong) {
      broken(wrong);
    }
  }

  // Reports an error of yaml-cpp in words for a reader of the file.
  void broken(YAML::Exception const& wrong) {
    std::size_t const offset = offset_of(wrong.mark);
    if (auto const tab = text_.tab_in_line(offset)) return fail_tab(*tab);
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> words{{
        {"illegal map value", "unexpected \":\"; check the indentation of this line and the one above, or quote the text"},
        {"end of map not found", "the indentation fits no line above"},
        {"end of sequence not found", "the indentation fits no line above"},
        {"end of map flow not found", "\"}\" is missing, or a text between { and } needs quotes"},
        {"end of sequence flow not found", "\"]\" is missing, or a text between [ and ] needs quotes"},
        {"illegal flow end", "a bracket closes that was not opened, or quotes are missing"},
        {"the referenced anchor is not defined", "the alias names no anchor above it"},
        {"unknown token", "this character cannot begin a text; quote the text"},
    }};
    auto const found = std::find_if(words.begin(), words.end(), [&](auto const& each) { return wrong.msg.starts_with(each.first); });
    // The message may contain half a character.
    auto const said = [&] { return printable(to_storable_text(wrong.msg), 200); };
    std::string message = "broken YAML: " + (found == words.end() ? said() : std::string{found->second});
    if (auto const remedy = quote_remedy(offset); !remedy.empty()) message = remedy;
    if (std::size_t const begin = offset < 3 ? 0 : offset - 3;
        text_.text().substr(begin, offset - begin + 1).find("${") != std::string_view::npos)
      message += "; between { and } a text with ${...} needs quotes";
    fail(text_.at(offset), path(), std::move(message));
  }

  /// Advises quotes where a value begins with a character that has another meaning in YAML, as cron expressions do. Empty
  /// otherwise.
  std::string quote_remedy(std::size_t offset) const {
    std::string_view const all = text_.text();
    std::size_t const begin = offset == 0 ? 0 : all.rfind('\n', offset - 1) + 1;
    std::string_view const line = all.substr(begin, all.find('\n', begin) - begin);
    std::size_t const separator = line.rfind(": ", offset - begin);
    if (separator == std::string_view::npos) return {};
    std::size_t const first = line.find_first_not_of(' ', separator + 1);
    if (first == std::string_view::npos || std::string_view{"*@`%?"}.find(line[first]) == std::string_view::npos) return {};
    std::string_view value = line.substr(first);
    // One word behind a star is an alias.
    if (value.front() == '*' && value.size() > 1 && value.find_first_of(" /,") == std::string_view::npos) return {};
    std::string rule = std::string{"a text that begins with "} + value.front() + " needs quotes";
    if (line.substr(0, first).find_first_of("{[") != std::string_view::npos) return rule;
    value = value.substr(0, value.find(" #"));
    value = value.substr(0, value.find_last_not_of(" \r") + 1);
    if (value.find_first_of("\"\\") != std::string_view::npos) return rule;
    return rule + ": \"" + printable(to_storable_text(std::string{value}), 60) + "\"";
  }

  std::size_t offset_of(YAML::Mark const& mark) const noexcept {
    return mark.pos < 0 ? 0 : std::min(static_cast<std::size_t>(mark.pos), text_.text().size());
  }

  void fail(source_position at, std::string where, std::string message) {
    errors.push_back({file_, at.line, at.column, std::move(where), std::move(message)});
    if (errors.size() >= document_limits::errors) throw stop{};
  }

  void refuse(node& made, source_position at, std::string message) {
    fail(at, path(), std::move(message));
    made.refused = true;
  }

  void fail_tab(std::size_t tab) { fail(text_.at(tab), {}, "a tab cannot indent: use spaces"); }

  /// The path of the next value.
  std::string path() const {
    std::string result;
    for (auto const& each : stack_) {
      if (each.value.what == node::kind::sequence)
        result += "[" + std::to_string(each.value.children.size()) + "]";
      else if (each.has_key)
        result = join_path(result, each.key.text);
    }
    return result;
  }

  bool expects_key() const { return !stack_.empty() && stack_.back().value.what == node::kind::mapping && !stack_.back().has_key; }

  /// Starts a part of any kind.
  node begin(YAML::Mark const& mark, node::kind what) {
    std::size_t const offset = offset_of(mark);
    if (auto const tab = text_.tab_before(offset)) {
      fail_tab(*tab);
      throw stop{};
    }
    node made;
    made.what = what;
    made.at = text_.at(offset);
    count(1, 0, made.at);
    return made;
  }

  void count(std::size_t values, std::size_t bytes, source_position at) {
    values_ += values;
    text_bytes_ += bytes;
    // Without aliases there are no more values than bytes.
    std::size_t const most = std::max(document_limits::values, text_.text().size());
    if (values_ <= most && text_bytes_ <= document_limits::text_bytes) return;
    fail(at, path(),
         values_ > most
             ? "more than " + std::to_string(most) + " values, aliases followed"
             : "more than " + std::to_string(document_limits::text_bytes / 1024 / 1024) + " MiB of text, aliases and variables followed");
    throw stop{};
  }

  void count_all(node const& copied, source_position at) {
    count(1, copied.text.size() + copied.written.size() + copied.key.size(), at);
    for (auto const& child : copied.children) count_all(child, at);
  }

  void OnDocumentStart(YAML::Mark const& mark) override {
    if (++documents_ == 1) return;
    fail(text_.at(offset_of(mark)), {}, "the document ends before this line; a file holds one document");
    throw stop{};
  }
  void OnDocumentEnd() override {}

  void OnNull(YAML::Mark const& mark, YAML::anchor_t anchor) override {
    if (expects_key()) {
      fail(text_.at(offset_of(mark)), path(), "a key is missing before \":\"");
      return refuse_key();
    }
    node made = begin(mark, node::kind::null);
    // The spelling of null matters within a payload.
    std::string_view const rest = text_.text().substr(behind_anchor(offset_of(mark)));
    for (std::string_view const word : {"~", "Null", "NULL"})
      if (rest.starts_with(word)) made.text = word;
    deliver(std::move(made), anchor);
  }

  void OnAlias(YAML::Mark const& mark, YAML::anchor_t anchor) override {
    source_position const at = text_.at(offset_of(mark));
    auto const found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      fail(at, path(), "the alias stands within what it names");
      throw stop{};
    }
    count_all(found->second, at);
    deliver(node{found->second}, 0);
  }

  void OnScalar(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor, std::string const& value) override {
    node made = begin(mark, node::kind::scalar);
    made.quoted = tag != "?";
    if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") refuse(made, made.at, "the tag " + in_quotes(tag) + " is not known");
    take_text(made, offset_of(mark), value);
    deliver(std::move(made), anchor);
  }

  void OnSequenceStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, node::kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, node::kind::mapping);
  }
  void OnMapEnd() override { close(); }

  void open(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor, node::kind what) {
    frame made;
    made.value = begin(mark, what);
    made.anchor = anchor;
    if (tag != "?" && tag != "!" && !tag.empty()) refuse(made.value, made.value.at, "the tag " + in_quotes(tag) + " is not known");
    if (stack_.size() >= document_limits::depth) {
      fail(made.value.at, path(), "nested more than " + std::to_string(document_limits::depth) + " levels deep");
      throw stop{};
    }
    stack_.push_back(std::move(made));
  }

  void close() {
    frame done = std::move(stack_.back());
    stack_.pop_back();
    // Keys of the group itself override merged ones, and the first merged group overrides the next.
    for (auto& group : done.merged)
      for (auto& child : group.children)
        if (done.lines.emplace(child.key, child.key_at.line).second) done.value.children.push_back(std::move(child));
    deliver(std::move(done.value), done.anchor);
  }

  void take_text(node& made, std::size_t offset, std::string const& value) {
    std::string_view const text = text_.text();
    offset = behind_anchor(offset);
    bool const marks = made.quoted && offset < text.size() && (text[offset] == '"' || text[offset] == '\'');
    if (marks && !is_closed(offset)) {
      fail(text_.at(offset), path(), "broken YAML: this quotation mark is never closed");
      throw stop{};
    }
    if (!is_storable_text(value)) refuse(made, made.at, "a text cannot hold a NUL character");
    std::string_view const raw = text.substr(std::min(offset + (marks ? 1 : 0), text.size()));
    made.at = text_.at(offset);
    made.inset = marks ? 1 : 0;
    made.exact = static_cast<std::size_t>(std::mismatch(value.begin(), value.end(), raw.begin(), raw.end()).first - value.begin());
    made.text = value;
    if (!expects_key()) replace_variables(made);
    count(0, made.text.size() + made.written.size(), made.at);
  }

  /// Skips an anchor or a tag before a value.
  std::size_t behind_anchor(std::size_t offset) const noexcept {
    std::string_view const text = text_.text();
    while (offset < text.size() && (text[offset] == '&' || text[offset] == '!')) {
      offset = std::min(text.find_first_of(" \r\n", offset), text.size());
      offset = std::min(text.find_first_not_of(" \r\n", offset), text.size());
    }
    return offset;
  }

  bool is_closed(std::size_t quote) const noexcept {
    std::string_view const text = text_.text();
    for (std::size_t i = quote + 1; i < text.size(); ++i) {
      if (text[i] == '\\' && text[quote] == '"') {
        ++i;
      } else if (text[i] == text[quote]) {
        if (text[quote] == '"' || i + 1 == text.size() || text[i + 1] != '\'') return true;
        ++i;
      }
    }
    return false;
  }

  void replace_variables(node& made) {
    if (made.text.find("${") == std::string::npos) return;
    auto result = expand(made.text, lookup_, document_limits::text_bytes);
    for (auto& fault : result.faults) refuse(made, made.position(fault.offset), std::move(fault.message));
    if (!result.variables.empty()) made.written = made.text;
    made.text = std::move(result.text);
    made.variables = std::move(result.variables);
    made.exact = 0;
  }

  void deliver(node made, YAML::anchor_t anchor) {
    if (anchor != 0) {
      count_all(made, made.at);
      anchors_.insert_or_assign(anchor, made);
    }
    if (stack_.empty()) {
      root = std::move(made);
      return;
    }
    frame& group = stack_.back();
    if (group.value.what == node::kind::sequence) {
      group.value.children.push_back(std::move(made));
    } else if (!group.has_key) {
      take_key(group, std::move(made));
    } else {
      take_value(group, std::move(made));
    }
  }

  void refuse_key() {
    stack_.back().has_key = true;
    stack_.back().skip = true;
    stack_.back().key = node{};
  }

  void take_key(frame& group, node made) {
    if (made.what != node::kind::scalar) {
      fail(made.at, path(), "a key must be a single text, not " + std::string{name_of(made.what)});
      return refuse_key();
    }
    group.skip = false;
    if (made.quoted || made.text != "<<") {
      auto const [earlier, first] = group.lines.emplace(made.text, made.at.line);
      bool const in_pieces = stack_.size() == 1;  // a section, whose pieces are checked one by one
      if (!first && !in_pieces) {
        fail_twice(made.at, join_path(path(), made.text), earlier->second);
        group.skip = true;
      }
    }
    group.key = std::move(made);
    group.has_key = true;
  }

  void take_value(frame& group, node made) {
    bool const skip = std::exchange(group.skip, false);
    if (skip) {
    } else if (!group.key.quoted && group.key.text == "<<") {
      merge(group, std::move(made));
    } else {
      made.key = group.key.text;
      made.key_at = group.key.at;
      // Only a section may come in pieces: a search among the earlier names would be too slow in a group of a hundred thousand.
      auto before = group.value.children.end();
      if (stack_.size() == 1) before = std::ranges::find(group.value.children, made.key, &node::key);
      if (before == group.value.children.end())
        group.value.children.push_back(std::move(made));
      else
        join(*before, std::move(made), group.key.text);
    }
    group.has_key = false;
  }

  /// Merges a piece into the earlier ones. \param where the path of both
  void join(node& first, node piece, std::string const& where) {
    if (first.what != node::kind::mapping || piece.what != node::kind::mapping) return fail_twice(piece.key_at, where, first.key_at.line);
    std::unordered_map<std::string, std::size_t> index_of;
    for (std::size_t i = 0; i < first.children.size(); ++i) index_of.emplace(first.children[i].key, i);
    for (auto& child : piece.children) {
      auto const before = index_of.find(child.key);
      if (before == index_of.end())
        first.children.push_back(std::move(child));
      else
        join(first.children[before->second], std::move(child), join_path(where, before->first));
    }
  }

  void fail_twice(source_position at, std::string where, int line) {
    fail(at, std::move(where), "is given twice; the first time in line " + std::to_string(line));
  }

  void merge(frame& group, node made) {
    auto const take = [&](node from) {
      if (from.what == node::kind::mapping)
        group.merged.push_back(std::move(from));
      else
        fail(from.at, path(), "\"<<\" takes a group of keys or a list of them, not " + std::string{name_of(from.what)});
    };
    if (made.what != node::kind::sequence) return take(std::move(made));
    for (auto& each : made.children) take(std::move(each));
  }

  text_map text_;
  std::string file_;
  environment const& lookup_;
  std::vector<frame> stack_;
  std::map<YAML::anchor_t, node> anchors_;
  std::size_t values_ = 0;
  std::size_t text_bytes_ = 0;
  int documents_ = 0;
  bool whole_ = false;
};

}  // namespace visor::detail

#endif
