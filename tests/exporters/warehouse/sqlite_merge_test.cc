#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <stdlib.h>

#include <algorithm>
#include <optional>
#include <random>

#include "codecs/event.h"
#include "codecs/status.h"
#include "exporters/warehouse/sqlite_database.h"
#include "exporters/warehouse/warehouse_testing.h"

// The merge rule in SQL against a plain fold, and against every order of the same events: whatever the order in which a
// run's events arrive, how often each comes and how they are cut into batches, its view row is the same.
namespace runledger::exporters {
namespace {

using Text = std::optional<std::string>;

// What a run's events may say, few values each so that they meet.
struct Said {
  int status;  // v1::Status; 0: closed by runledger
  int64_t time_us;
  int64_t sequence;
  int id;
  std::optional<int> date;
  std::optional<int64_t> started_us;
  std::optional<double> duration_s;
  Text phase, error_message, skip_reason, trigger_source, summary;
  bool bad;  // a column that no warehouse holds: only the core is left
};

template <typename T>
std::optional<T> Maybe(std::initializer_list<T> values) {
  const auto at = static_cast<size_t>(*rc::gen::inRange(0, 2 * static_cast<int>(values.size())));
  if (at >= values.size()) return std::nullopt;
  return std::data(values)[at];
}

rc::Gen<Said> AnySaid() {
  return rc::gen::exec([] {
    Said said{};
    // Running and failed meet often; the other ends now and then.
    said.status =
        *rc::gen::oneOf(rc::gen::just<int>(v1::RUNNING), rc::gen::just<int>(v1::FAILED), rc::gen::inRange(0, 8));
    said.time_us = kStart + *rc::gen::inRange(0, 2) * kSecond;
    said.sequence = *rc::gen::inRange(-1, 2);
    said.date = Maybe({kDate, kDate + 1, kDate + 2});
    said.started_us = Maybe({kStart, kStart - kSecond});
    said.duration_s = Maybe({0.0, 1.5, 90.0});
    said.phase = Maybe<std::string>({"", "phase_2_raw", "phase_3_analytics"});
    said.error_message = Maybe<std::string>({"a", "b"});
    said.skip_reason = Maybe<std::string>({"smart_skip", "no_data"});
    said.trigger_source = Maybe<std::string>({"pubsub", "manual"});
    said.summary = Maybe<std::string>({"{}", "[1]"});
    said.bad = *rc::gen::inRange(0, 8) == 0;
    return said;
  });
}

v1::Event EventOf(const Said& said, const std::string& run_id) {
  v1::Event event =
      RunEvent("job", run_id, static_cast<v1::Status>(said.status == 0 ? static_cast<int>(v1::FAILED) : said.status),
               said.time_us);
  v1::RunEvent& run = *event.mutable_run();
  event.set_event_id("event-" + std::to_string(100 + said.id));
  if (said.status == 0) {
    run.set_source_status(std::string(codecs::kClosedByRunledger));
    event.set_event_id(
        codecs::OwnEventId(codecs::kClosedByRunledger, codecs::RunSubject("job", run_id, 0), said.time_us));
  }
  event.set_sequence(said.sequence);
  if (said.date) run.set_data_date(*said.date);
  if (said.started_us) run.set_started_at_us(*said.started_us);
  if (said.duration_s) run.set_duration_seconds(*said.duration_s);
  if (said.phase) run.set_phase(*said.phase);
  if (said.error_message) run.set_error_message(*said.error_message);
  if (said.skip_reason) run.set_skip_reason(*said.skip_reason);
  if (said.trigger_source) run.set_trigger_source(*said.trigger_source);
  if (said.summary) run.set_summary(*said.summary);
  if (said.bad) run.set_opts("{");
  return event;
}

// The view row of the run, without its id and without what depends on when its rows were made.
constexpr const char* kColumns =
    "status, source_status, data_date, started_at, run_timestamp, completed_at, processed_at, duration_seconds, phase, "
    "error_message,"
    " skip_reason, trigger_source, summary, refused, skipped, retry_attempt, first_event_at, last_seen_at, events";
constexpr int kColumnCount = 19;

std::string StatusWord(int status) {
  return std::string(codecs::StatusName(static_cast<codecs::Status>(status == 0 ? 6 : status)));
}

// The same, by folding the events one by one.
SqlRow Fold(std::vector<Said> events) {
  std::sort(events.begin(), events.end(), [](const Said& a, const Said& b) {
    const auto rank = [](const Said& said) { return said.status == v1::RUNNING ? 0 : said.status == 0 ? 1 : 2; };
    return std::tuple(rank(a), a.time_us, a.sequence, a.id) < std::tuple(rank(b), b.time_us, b.sequence, b.id);
  });
  Text date, started, phase, trigger, summary;
  int64_t first = INT64_MAX;
  int64_t last = INT64_MIN;
  for (const Said& said : events) {
    first = std::min(first, said.time_us);
    last = std::max(last, said.time_us);
    if (said.date) date = "2026-01-" + std::to_string(12 + *said.date - kDate);
    if (said.started_us) started = std::to_string(*said.started_us);
    if (said.bad) continue;
    if (said.phase) phase = said.phase;
    if (said.trigger_source) trigger = said.trigger_source;
    if (said.summary) summary = said.summary;
  }
  const Said& top = events.back();
  const std::string ended = top.status == v1::RUNNING ? "NULL" : std::to_string(top.time_us);
  const bool has_duration = top.duration_s && !top.bad;
  const int64_t back_us = has_duration ? static_cast<int64_t>(*top.duration_s * 1e6) : 0;
  const auto text = [](const Text& value) { return value.value_or("NULL"); };
  char duration[32] = "NULL";
  if (has_duration) std::snprintf(duration, sizeof duration, "%.1f", *top.duration_s);
  return {StatusWord(top.status),
          top.status == 0 ? std::string(codecs::kClosedByRunledger) : "NULL",
          text(date),
          text(started),
          started ? *started : std::to_string(top.time_us - back_us),
          ended,
          ended,
          duration,
          text(phase),
          top.bad ? "NULL" : text(top.error_message),
          top.bad ? "NULL" : text(top.skip_reason),
          text(trigger),
          text(summary),
          top.bad ? "opts: is not JSON" : "NULL",
          top.status == v1::SKIPPED ? "1" : "0",
          "0",
          std::to_string(first),
          std::to_string(last),
          std::to_string(events.size())};
}

class MergeTest : public WarehouseTest {
 protected:
  MergeTest() : sink_(NewSink()), database_(*Database::Open({.path = path_})) {
    OpenPartition(sink_.get(), 1, kPartition);
    view_ = *database_->Prepare(std::string("SELECT ") + kColumns +
                                " FROM processor_run_history WHERE processor_name = 'job' AND run_id = ?1");
    heads_ = *database_->Prepare(
        "SELECT status, data_date, started_at FROM run_heads WHERE job_name = 'job' AND run_id = ?1");
  }

  // The only row of the run.
  static SqlRow Ask(Statement* statement, const std::string& run_id, int columns) {
    statement->BindText(1, run_id);
    SqlRow row;
    RC_ASSERT(*statement->Step());
    for (int i = 0; i < columns; ++i) row.push_back(statement->IsNull(i) ? "NULL" : std::string(statement->Text(i)));
    RC_ASSERT(!*statement->Step());
    return row;
  }

  // Writes the events in this order, cut into batches by `random`, under a run id of their own; the view row.
  SqlRow RowOf(const std::vector<const Said*>& order, std::mt19937* random) {
    const std::string run_id = "run-" + std::to_string(++runs_);
    for (size_t i = 0; i < order.size();) {
      const size_t size = std::min<size_t>(order.size() - i, 1 + (*random)() % 4);
      std::vector<v1::Event> events;
      for (size_t j = 0; j < size; ++j) events.push_back(EventOf(*order[i + j], run_id));
      const ingest::SubmitResult result = SubmitBatch(sink_.get(), 1, BatchOf(kPartition, {offset_, 0}, events));
      RC_ASSERT(result.kind == ingest::SubmitResult::Kind::kDone);
      offset_ += static_cast<int64_t>(size);
      i += size;
    }
    const SqlRow row = Ask(&view_, run_id, kColumnCount);
    // The head answers searches on its own: it must say what the view says.
    RC_ASSERT(Ask(&heads_, run_id, 3) == (SqlRow{row[0], row[2], row[3]}));
    return row;
  }

  static inline const ingest::TopicPartition kPartition{"runledger.events", 0};
  std::unique_ptr<SqliteSink> sink_;
  std::unique_ptr<Database> database_;
  Statement view_, heads_;
  int64_t offset_ = 0;
  int runs_ = 0;
};

TEST_F(MergeTest, AnyOrderAndAnyRepetitionGiveTheSameRow) {
  setenv("RC_PARAMS", "max_success=1000", /*overwrite=*/0);
  const bool held = rc::check("view row = fold of the events", [this] {
    // Ranges are as wide as their size says, so that is set.
    const auto count = *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<size_t>(1, 8));
    std::vector<Said> events =
        *rc::gen::container<std::vector<Said>>(count, rc::gen::resize(rc::kNominalSize, AnySaid()));
    int id = 0;
    for (Said& said : events) said.id = id++;
    // Of those that close the run at one time there is one: its id is made of that time.
    for (size_t i = 0; i < events.size(); ++i) {
      events.erase(std::remove_if(events.begin() + static_cast<ptrdiff_t>(i) + 1, events.end(),
                                  [&](const Said& other) {
                                    return other.status == 0 && events[i].status == 0 &&
                                           other.time_us == events[i].time_us;
                                  }),
                   events.end());
    }
    std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
    const SqlRow expected = Fold(events);
    for (int variant = 0; variant < 3; ++variant) {
      std::vector<const Said*> order;
      for (const Said& said : events) order.insert(order.end(), 1 + random() % 3, &said);
      std::shuffle(order.begin(), order.end(), random);
      RC_ASSERT(RowOf(order, &random) == expected);
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace runledger::exporters
