#include "ingest/snapshot_file.h"

#include <xxhash.h>
#include <zstd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "codecs/hash.h"
#include "codecs/inflate.h"

namespace runledger::ingest {
namespace {

constexpr int kVersion = 1;
constexpr int kLevel = 1;  // fast: a state is written often and read seldom
constexpr size_t kTrailerBytes = 33;

std::string HeaderOf(const SnapshotIdentity& identity) {
  const nlohmann::ordered_json header = {
      {"runledger_snapshot", kVersion},      {"cluster", identity.cluster_id},
      {"topic", identity.partition.topic},   {"partition", identity.partition.partition},
      {"epoch", identity.log_epoch},         {"offset", identity.position.offset},
      {"index", identity.position.index},    {"before_time_ms", identity.before_time_ms},
      {"before_hash", identity.before_hash}, {"counters", identity.counters}};
  return header.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

struct SnapshotEncoder::Impl {
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  XXH3_state_t* hash = XXH3_createState();
  std::string header;
  std::string buffer;

  Impl() {
    if (zstd == nullptr || hash == nullptr) std::abort();  // out of memory
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, kLevel);
    XXH3_128bits_reset(hash);
  }
  ~Impl() {
    ZSTD_freeCCtx(zstd);
    XXH3_freeState(hash);
  }

  std::string Compress(std::string_view bytes, ZSTD_EndDirective end) {
    std::string out = std::move(header);
    header.clear();
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    buffer.resize(ZSTD_CStreamOutSize());
    for (bool more = true; more;) {
      ZSTD_outBuffer to{buffer.data(), buffer.size(), 0};
      const size_t left = ZSTD_compressStream2(zstd, &to, &in, end);
      if (ZSTD_isError(left)) std::abort();  // cannot happen with parameters that were accepted
      out.append(buffer.data(), to.pos);
      more = end == ZSTD_e_end ? left != 0 : in.pos < in.size;
    }
    XXH3_128bits_update(hash, out.data(), out.size());
    return out;
  }
};

SnapshotEncoder::SnapshotEncoder(const SnapshotIdentity& identity) : impl_(std::make_unique<Impl>()) {
  impl_->header = HeaderOf(identity);
}
SnapshotEncoder::~SnapshotEncoder() = default;

std::string SnapshotEncoder::Append(std::string_view bytes) { return impl_->Compress(bytes, ZSTD_e_continue); }

std::string SnapshotEncoder::Finish() {
  std::string out = impl_->Compress({}, ZSTD_e_end);
  const XXH128_hash_t hash = XXH3_128bits_digest(impl_->hash);
  return out + codecs::Hex({hash.high64, hash.low64}) + "\n";
}

absl::StatusOr<SnapshotIdentity> DecodeSnapshotIdentity(std::string_view kept) {
  const size_t line = kept.find('\n');
  if (line == std::string_view::npos) return absl::DataLossError("it has no first line");
  const nlohmann::json header = nlohmann::json::parse(kept.substr(0, line), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object() || !header.contains("runledger_snapshot"))
    return absl::InvalidArgumentError("it is no snapshot of runledger");
  try {  // a member of the wrong type
    if (const int version = header.at("runledger_snapshot").get<int>(); version != kVersion) {
      return absl::InvalidArgumentError(absl::StrCat("it has version ", version, "; this runledger knows ", kVersion));
    }
    SnapshotIdentity identity;
    identity.cluster_id = header.at("cluster").get<std::string>();
    identity.partition = {header.at("topic").get<std::string>(), header.at("partition").get<int32_t>()};
    identity.log_epoch = header.at("epoch").get<int64_t>();
    identity.position = {header.at("offset").get<int64_t>(), header.at("index").get<int32_t>()};
    identity.before_time_ms = header.at("before_time_ms").get<int64_t>();
    identity.before_hash = header.at("before_hash").get<std::string>();
    identity.counters = header.value("counters", int64_t{0});  // the first ones did not say
    return identity;
  } catch (const nlohmann::json::exception&) {
    return absl::DataLossError("its first line is damaged");
  }
}

absl::Status CheckSnapshotIsOf(const SnapshotIdentity& identity, const TopicPartition& partition,
                               const std::string& cluster_id, int64_t log_epoch) {
  if (identity.partition != partition || identity.cluster_id != cluster_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is of ", ToString(identity.partition), " of cluster ", identity.cluster_id));
  }
  if (identity.log_epoch != log_epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is of epoch ", identity.log_epoch, " of the log, which has ", log_epoch, " now"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Snapshot> DecodeSnapshot(std::string_view kept, size_t max_bytes) {
  absl::StatusOr<SnapshotIdentity> identity = DecodeSnapshotIdentity(kept);
  if (!identity.ok()) return identity.status();
  if (kept.size() < kTrailerBytes || kept.back() != '\n') return absl::DataLossError("it is torn");
  const std::string_view content = kept.substr(0, kept.size() - kTrailerBytes);
  if (codecs::Hex(codecs::HashBytes(content)) != kept.substr(content.size(), 32))
    return absl::DataLossError("its checksum is wrong: torn or damaged");
  codecs::Inflater inflater;
  codecs::Rejection rejection;
  std::string_view bytes;
  if (!inflater.Inflate(content.substr(kept.find('\n') + 1), max_bytes, &bytes, &rejection))
    return absl::DataLossError(rejection.text);
  return Snapshot{*std::move(identity), std::string(bytes)};
}

}  // namespace runledger::ingest
