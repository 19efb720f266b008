#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tools/generate/options.h"

namespace runledger::tools {

// What the generator knows of one event that it sends, beside its bytes.
struct SentEvent {
  std::string body;  // run, decision, expected, cleanup, verdict
  std::string kind;  // processor, scraper, prediction; else the body
  int status = 0;    // of a run; number in event.proto
  int rank = 0;      // of the merge rule: 0 running, 1 closed by runledger, 2 the producer's terminal
  int64_t time_us = 0;
  int64_t sequence = 0;
  bool history = false;  // backfill, or too old for its topic
};

// What the events of one run amount to so far. Belongs to the ledger; events of the run hold on to it, so that it goes
// with the last of them.
struct RunTally {
  size_t job = 0;
  int outstanding = 0;  // events still to be sent
  bool started = false;
  int finished = 0;  // status of the first terminal in the order of the log
  std::tuple<int, int64_t, int64_t> greatest{-1, 0, 0};
  int status = 1;  // of the greatest event
};

// The ledger: what must come out at the other end, worked out by the generator from what it meant to send, without a
// look at how it is read.
//
// It covers: good rows by kind, rows refused for one column, dead letters by category and in number, good events by
// body and packing, history; and for each job how many runs started, finished with which status, were corrected from
// which status to which, and in which state they ended. Runs are covered as long as none of their events is history by
// its age (`covers_runs`), and no bound of the reader's state (closed runs, horizon) makes it forget a run of which
// events are still to come.
//
// It leaves to the reference fold: everything that is not a whole number of events or runs (durations, last times,
// windows, verdicts at a watermark, the day table), and every moment but the end.
struct Ledger {
  struct Job {
    int32_t partition = 0;
    int64_t started = 0;
    int64_t history_events = 0;
    std::array<int64_t, 8> finished{};  // by number of the status
    std::array<int64_t, 8> final{};     // runs by the state they ended in
    std::map<std::pair<int, int>, int64_t> corrected;
  };

  GenerateOptions options;
  bool covers_runs = true;
  int64_t records = 0;
  int64_t good = 0;
  int64_t refused_rows = 0;
  int64_t history_events = 0;
  std::map<std::string, int64_t> rows_by_kind;
  std::map<std::pair<std::string, std::string>, int64_t> events_by_body_and_framing;
  std::map<std::string, int64_t> rejected_by_category;  // events, or records whole
  std::map<std::string, int64_t> bad_kinds;             // what was wrong, by name
  std::map<std::string, int64_t> refused_kinds;
  std::map<std::string, Job> jobs;

  int64_t rejected() const;
  // Each refused event, record or row is one dead letter. A refused row's category is schema.
  std::map<std::string, int64_t> dead_letters() const;

  // `tally`: of a live event of a run; nullptr otherwise. `job`: of a run, whose profile has this name.
  void CountGood(const SentEvent& event, const std::string& framing, const std::string& job, RunTally* tally);
  void CountRefusedRow(const std::string& what);
  void CountRejected(const std::string& what, const std::string& category);
  // An event of the run will not come, or has been counted: at the last one the run's final state is known.
  void Settle(const std::string& job, RunTally* tally);

  // One JSON object, indented.
  std::string ToJson() const;
};

// "running", "success", ... by the number in event.proto; "" for 0.
const char* StatusWord(int status);

}  // namespace runledger::tools
