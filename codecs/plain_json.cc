#include "codecs/plain_json.h"

namespace runledger::codecs {
namespace {

// Walks over JSON of the plainest kind, without a parser's tables: ASCII, no \u, numbers without exponent that any
// parser can hold, nested at most kPlainJsonNesting deep. What it does not know is for the parser to judge.
class PlainJson {
 public:
  explicit PlainJson(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool Walk() { return Value(0) && (Space(), at_ == end_); }

 private:
  static constexpr int kDepth = kPlainJsonNesting - 1;  // of the innermost value
  static constexpr int kDigits = 15;                    // a double holds them exactly

  void Space() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool Take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool Word(std::string_view word) {
    if (static_cast<size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool Value(int depth) {
    Space();
    if (at_ == end_ || depth > kDepth) return false;
    switch (*at_) {
      case '{':
        ++at_;
        return Members(depth);
      case '[':
        ++at_;
        return Elements(depth);
      case '"':
        return Text();
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }
  bool Members(int depth) {
    Space();
    if (Take('}')) return true;
    do {
      Space();
      if (!Text()) return false;
      Space();
      if (!Take(':') || !Value(depth + 1)) return false;
      Space();
    } while (Take(','));
    return Take('}');
  }
  bool Elements(int depth) {
    Space();
    if (Take(']')) return true;
    do {
      if (!Value(depth + 1)) return false;
      Space();
    } while (Take(','));
    return Take(']');
  }
  bool Text() {
    if (!Take('"')) return false;
    while (at_ < end_) {
      const char c = *at_++;
      if (c == '"') return true;
      if (static_cast<signed char>(c) < ' ') return false;
      if (c == '\\' && (at_ == end_ || std::string_view("\"\\/bfnrt").find(*at_++) == std::string_view::npos))
        return false;
    }
    return false;
  }
  int Digits() {
    const char* const begin = at_;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ - begin > kDigits ? 0 : static_cast<int>(at_ - begin);
  }
  bool Number() {
    Take('-');
    if (!Take('0') && Digits() == 0) return false;
    if (at_ < end_ && *at_ >= '0' && *at_ <= '9') return false;
    if (Take('.') && Digits() == 0) return false;
    return at_ == end_ || (*at_ != 'e' && *at_ != 'E');
  }

  const char* at_;
  const char* end_;
};

}  // namespace

bool IsPlainJson(std::string_view text) { return PlainJson(text).Walk(); }

}  // namespace runledger::codecs
