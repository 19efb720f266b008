#include "ingest/snapshot_chunks.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

constexpr std::string_view kFormat = "k1";
constexpr size_t kIdDigits = 16;

// Takes the text up to the next slash, or all of it, off `text`.
std::string_view Part(std::string_view* text) {
  const size_t slash = text->find('/');
  const std::string_view part = text->substr(0, slash);
  text->remove_prefix(slash == std::string_view::npos ? text->size() : slash + 1);
  return part;
}

template <typename Number>
bool Take(std::string_view* text, Number* number) {
  const std::string_view part = Part(text);
  const auto [at, error] = std::from_chars(part.data(), part.data() + part.size(), *number);
  return error == std::errc() && at == part.data() + part.size() && *number >= 0;
}

bool IsId(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string SnapshotPointer::Encode() const {
  return absl::StrCat("k1/", partition, "/", first, "/", last, "/", chunks, "/", id);
}

absl::StatusOr<SnapshotPointer> SnapshotPointer::Decode(std::string_view text) {
  SnapshotPointer pointer;
  std::string_view rest = text;
  const bool whole = Part(&rest) == kFormat && Take(&rest, &pointer.partition) && Take(&rest, &pointer.first) &&
                     Take(&rest, &pointer.last) && Take(&rest, &pointer.chunks) && IsId(rest);
  pointer.id = std::string(rest);
  // Each chunk has an offset of its own.
  if (!whole || pointer.chunks < 1 || pointer.last < pointer.first ||
      pointer.chunks - 1 > pointer.last - pointer.first) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text), "\" does not point to a snapshot in a topic"));
  }
  return pointer;
}

std::string ChunkKey::Encode() const {
  return nlohmann::json::array({group, of.topic, of.partition, id, chunk})
      .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
}

std::optional<ChunkKey> ChunkKey::Decode(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.size() != 5 || !json[0].is_string() || !json[1].is_string() ||
      !json[2].is_number_integer() || !json[3].is_string() || !json[4].is_number_integer()) {
    return std::nullopt;
  }
  ChunkKey key{json[0].get<std::string>(),
               {json[1].get<std::string>(), json[2].get<int32_t>()},
               json[3].get<std::string>(),
               json[4].get<int32_t>()};
  if (!IsId(key.id) || key.chunk < 0) return std::nullopt;
  return key;
}

std::string NewSnapshotId() {
  std::random_device random;  // the machine's own, not a sequence
  std::array<char, kIdDigits + 1> text;
  std::snprintf(text.data(), text.size(), "%08x%08x", random(), random());
  return text.data();
}

}  // namespace runledger::ingest
