#include "aggregators/run_table.h"

#include <algorithm>
#include <cstring>

namespace runledger::aggregators {
namespace {

constexpr int kFirstIndexBits = 10;

// Layout of a closed run's text: this header, the run id, the event id.
struct TextHeader {
  int64_t sequence;
  double duration_s;
  int32_t attempt;
  int32_t data_date;
  uint32_t run_id_size;
  uint32_t kind;
};
static_assert(sizeof(TextHeader) == 32);

TextArena::Ref StoreText(TextArena* arena, const ClosedText& text) {
  const TextArena::Ref ref = arena->Allocate(sizeof(TextHeader) + text.run_id.size() + text.event_id.size());
  const TextHeader header{text.sequence,
                          text.duration_s,
                          text.attempt,
                          text.data_date,
                          static_cast<uint32_t>(text.run_id.size()),
                          static_cast<uint32_t>(text.kind)};
  char* at = arena->Mutable(ref);
  std::memcpy(at, &header, sizeof header);
  at += sizeof header;
  std::memcpy(at, text.run_id.data(), text.run_id.size());
  std::memcpy(at + text.run_id.size(), text.event_id.data(), text.event_id.size());
  return ref;
}

}  // namespace

StartTime StartTime::Of(const codecs::Event& event) {
  const codecs::RunFields& run = event.run;
  if (run.started_at_us) return {StartClass::kGiven, *run.started_at_us};
  if (codecs::IsTerminal(run.status)) return {};
  return {run.heartbeat ? StartClass::kSeen : StartClass::kEvent, event.time_us};
}

RunTable::RunTable(uint32_t first_closed)
    : index_(size_t{1} << kFirstIndexBits, Entry{0, kEmpty}),
      shift_(32 - kFirstIndexBits),
      closed_begin_(first_closed) {}
RunTable::~RunTable() = default;

void RunTable::Prefetch(const codecs::Hash128& id) const { __builtin_prefetch(&index_[HomeOf(TagOf(id))]); }

RunTable::Ref RunTable::Find(const codecs::Hash128& id) const {
  const uint32_t tag = TagOf(id);
  const size_t mask = index_.size() - 1;
  for (size_t at = HomeOf(tag);; at = (at + 1) & mask) {
    const Entry& entry = index_[at];
    if (entry.ref == kEmpty) return kNone;
    if (entry.tag == tag && IdOf(entry.ref) == id) return entry.ref;
  }
}

void RunTable::Index(const codecs::Hash128& id, Ref ref) {
  if ((indexed_ + 1) * 4 > index_.size() * 3) Grow();
  const size_t mask = index_.size() - 1;
  size_t at = HomeOf(TagOf(id));
  while (index_[at].ref != kEmpty) at = (at + 1) & mask;
  index_[at] = {TagOf(id), ref};
  ++indexed_;
}

RunTable::Entry* RunTable::EntryOf(const codecs::Hash128& id, Ref ref) {
  const size_t mask = index_.size() - 1;
  size_t at = HomeOf(TagOf(id));
  while (index_[at].ref != ref) at = (at + 1) & mask;
  return &index_[at];
}

void RunTable::Unindex(const codecs::Hash128& id, Ref ref) {
  // Linear probing without tombstones: entries after the gap move up until one stands at its home.
  const size_t mask = index_.size() - 1;
  auto gap = static_cast<size_t>(EntryOf(id, ref) - index_.data());
  for (size_t at = (gap + 1) & mask; index_[at].ref != kEmpty; at = (at + 1) & mask) {
    const size_t home = HomeOf(index_[at].tag);
    if (((at - home) & mask) >= ((at - gap) & mask)) {
      index_[gap] = index_[at];
      gap = at;
    }
  }
  index_[gap].ref = kEmpty;
  --indexed_;
}

void RunTable::Grow() {
  std::vector<Entry> old(index_.size() * 2, Entry{0, kEmpty});
  old.swap(index_);
  --shift_;
  const size_t mask = index_.size() - 1;
  for (const Entry& entry : old) {
    if (entry.ref == kEmpty) continue;
    size_t at = HomeOf(entry.tag);
    while (index_[at].ref != kEmpty) at = (at + 1) & mask;
    index_[at] = entry;
  }
}

void RunTable::Reserve(size_t runs) {
  while (runs * 4 > index_.size() * 3) Grow();
}

RunTable::Ref RunTable::AddOpen(const codecs::Hash128& id, std::string_view run_id) {
  Ref ref;
  if (!free_slots_.empty()) {
    ref = free_slots_.back();
    free_slots_.pop_back();
  } else {
    ref = open_end_++;
    if (ref / kChunk == open_chunks_.size()) open_chunks_.push_back(std::make_unique<OpenRun[]>(kChunk));
  }
  OpenRun& run = open(ref);
  run = OpenRun{};
  run.id = id;
  run.run_id = texts_.Store(run_id);
  run.data_date = OpenRun::kNoDate;
  ++open_count_;
  Index(id, ref);
  return ref;
}

RunTable::Ref RunTable::PushClosed(const ClosedRun& run, const ClosedText& text) {
  const Ref ref = ClosedRef(closed_count_);
  if (closed_chunks_.empty()) closed_first_chunk_ = (ref & ~kClosed) / kChunk;
  if (ClosedChunk(ref) == closed_chunks_.size()) closed_chunks_.push_back(std::make_unique<ClosedRun[]>(kChunk));
  ClosedRun& stored = closed(ref);
  stored = run;
  stored.text = StoreText(&texts_, text);
  ++closed_count_;
  return ref;
}

RunTable::Ref RunTable::AddClosed(const ClosedRun& run, const ClosedText& text) {
  const Ref ref = PushClosed(run, text);
  Index(run.id, ref);
  return ref;
}

RunTable::Ref RunTable::Close(Ref open_ref, const ClosedRun& run, const ClosedText& text) {
  Entry* entry = EntryOf(run.id, open_ref);
  const Ref ref = PushClosed(run, text);  // before the old text goes: `text` may point into it
  entry->ref = ref;
  OpenRun& old = open(open_ref);
  texts_.Free(old.run_id);
  old.job = kFreeSlot;
  free_slots_.push_back(open_ref);
  --open_count_;
  return ref;
}

void RunTable::RemoveOpen(Ref ref) {
  OpenRun& run = open(ref);
  Unindex(run.id, ref);
  texts_.Free(run.run_id);
  run.job = kFreeSlot;
  free_slots_.push_back(ref);
  --open_count_;
}

void RunTable::RemoveOldestClosed() {
  const Ref ref = OldestClosed();
  const ClosedRun& run = closed(ref);
  Unindex(run.id, ref);
  texts_.Free(run.text);
  closed_begin_ = Wrap(closed_begin_ + 1);
  --closed_count_;
  if (closed_begin_ % kChunk == 0 || closed_count_ == 0) {
    const uint32_t first = closed_begin_ / kChunk;
    while (!closed_chunks_.empty() && (closed_first_chunk_ != first || closed_count_ == 0)) {
      closed_chunks_.erase(closed_chunks_.begin());
      closed_first_chunk_ = (closed_first_chunk_ + 1) % kClosedChunks;
    }
  }
}

ClosedText RunTable::TextOf(const ClosedRun& run) const {
  const std::string_view stored = texts_.Get(run.text);
  TextHeader header;
  std::memcpy(&header, stored.data(), sizeof header);
  const std::string_view words = stored.substr(sizeof header);
  return {header.sequence,
          header.duration_s,
          header.attempt,
          header.data_date,
          static_cast<codecs::Kind>(header.kind),
          words.substr(0, header.run_id_size),
          words.substr(header.run_id_size)};
}

void RunTable::ReplaceText(ClosedRun* run, const ClosedText& text) {
  const TextArena::Ref fresh = StoreText(&texts_, text);  // before the old one goes: `text` may point into it
  texts_.Free(run->text);
  run->text = fresh;
}

size_t RunTable::record_bytes() const {
  return index_.size() * sizeof(Entry) + open_chunks_.size() * kChunk * sizeof(OpenRun) +
         closed_chunks_.size() * kChunk * sizeof(ClosedRun) + free_slots_.capacity() * sizeof(Ref);
}

}  // namespace runledger::aggregators
