#include "aggregators/run_table.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

namespace runledger::aggregators {
namespace {

constexpr int kFirstIndexBits = 10;

// Layout of a closed run's text: this header, the run id, the event id. Written field by field: a header put together
// first would be read back at once.
struct TextHeader {
  int64_t sequence;
  double duration_s;
  int32_t attempt;
  int32_t data_date;
  uint32_t run_id_size;
  uint32_t kind;
};
static_assert(sizeof(TextHeader) == 32);

TextQueue::Ref StoreText(TextQueue* texts, const ClosedText& text) {
  const TextQueue::Ref ref = texts->Append(sizeof(TextHeader) + text.run_id.size() + text.event_id.size());
  char* at = texts->Mutable(ref);
  const auto put = [at](size_t offset, const auto& value) { std::memcpy(at + offset, &value, sizeof value); };
  put(offsetof(TextHeader, sequence), text.sequence);
  put(offsetof(TextHeader, duration_s), text.duration_s);
  put(offsetof(TextHeader, attempt), text.attempt);
  put(offsetof(TextHeader, data_date), text.data_date);
  put(offsetof(TextHeader, run_id_size), static_cast<uint32_t>(text.run_id.size()));
  put(offsetof(TextHeader, kind), static_cast<uint32_t>(text.kind));
  at += sizeof(TextHeader);
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

RunTable::RunTable(uint32_t first_closed) : closed_begin_(first_closed) { MakeIndex(size_t{1} << kFirstIndexBits); }
RunTable::~RunTable() = default;

void RunTable::MakeIndex(size_t entries) {
  index_slab_ = Slab(entries * sizeof(Entry), /*huge=*/true);
  index_ = {static_cast<Entry*>(index_slab_.data()), entries};
  std::fill(index_.begin(), index_.end(), Entry{0, kEmpty});
  shift_ = 32 - std::countr_zero(entries);
}

RunTable::Ref RunTable::PrefetchRecord(const codecs::Hash128& id) const {
  const uint32_t tag = TagOf(id);
  const size_t mask = index_.size() - 1;
  for (size_t at = HomeOf(tag);; at = (at + 1) & mask) {
    const Entry& entry = index_[at];
    if (entry.ref == kEmpty) return kNone;
    if (entry.tag != tag) continue;
    __builtin_prefetch(IsClosed(entry.ref) ? static_cast<const void*>(&closed(entry.ref)) : &open(entry.ref), 1);
    return entry.ref;
  }
}

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
  const Slab old_slab = std::move(index_slab_);
  const std::span<const Entry> old = index_;
  MakeIndex(old.size() * 2);
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
    open_.Reach(ref);
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

RunTable::Ref RunTable::PushClosed(const codecs::Hash128& id, const ClosedText& text) {
  const Ref ref = ClosedRef(closed_count_);
  if (closed_chunks_.empty()) closed_first_chunk_ = (ref & ~kClosed) / kChunk;
  if (ClosedChunk(ref) == closed_chunks_.size()) {
    if (spare_closed_chunk_ == nullptr) spare_closed_chunk_ = std::make_unique<ClosedRun[]>(kChunk);
    closed_chunks_.push_back(std::move(spare_closed_chunk_));
  }
  ClosedRun& stored = closed(ref);
  stored.id = id;
  stored.text = StoreText(&closed_texts_, text);
  ++closed_count_;
  return ref;
}

RunTable::Ref RunTable::AddClosed(const codecs::Hash128& id, const ClosedText& text) {
  const Ref ref = PushClosed(id, text);
  Index(id, ref);
  return ref;
}

RunTable::Ref RunTable::Close(Ref open_ref, const ClosedText& text) {
  OpenRun& old = open(open_ref);
  Entry* entry = EntryOf(old.id, open_ref);
  const Ref ref = PushClosed(old.id, text);  // before the old text goes: `text` may point into it
  entry->ref = ref;
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
  closed_texts_.Free(run.text);
  constexpr uint32_t kAhead = 8;  // they go in order: what the next ones need is fetched in time
  if (closed_count_ > kAhead) PrefetchIndex(closed(ClosedRef(kAhead)).id);
  closed_begin_ = Wrap(closed_begin_ + 1);
  --closed_count_;
  if (closed_begin_ % kChunk == 0 || closed_count_ == 0) {
    const uint32_t first = closed_begin_ / kChunk;
    while (!closed_chunks_.empty() && (closed_first_chunk_ != first || closed_count_ == 0)) {
      spare_closed_chunk_ = std::move(closed_chunks_.front());
      closed_chunks_.erase(closed_chunks_.begin());
      closed_first_chunk_ = (closed_first_chunk_ + 1) % kClosedChunks;
    }
  }
}

ClosedText RunTable::TextOf(const ClosedRun& run) const {
  const std::string_view stored = closed_texts_.Get(run.text);
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
  const TextQueue::Ref fresh = StoreText(&closed_texts_, text);  // before the old one goes: `text` may point into it
  closed_texts_.Free(run->text);
  run->text = fresh;
}

size_t RunTable::record_bytes() const {
  return index_.size() * sizeof(Entry) + open_end_ * sizeof(OpenRun) +
         closed_chunks_.size() * kChunk * sizeof(ClosedRun) + free_slots_.capacity() * sizeof(Ref);
}

}  // namespace runledger::aggregators
