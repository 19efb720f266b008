#include "tools/generate/catalogue.h"

#include <algorithm>
#include <set>

namespace runledger::tools {
namespace {

// Names as a platform for sports statistics has them.
constexpr const char* kKnown[] = {
    "PlayerGameSummaryProcessor",   "PlayerDailyCacheProcessor",  "MLFeatureStoreProcessor",
    "BasketballRefRosterProcessor", "OddsGameLinesProcessor",     "NbacScheduleProcessor",
    "NbacInjuryReportProcessor",    "BdlLiveBoxscoresProcessor",  "nbac_injury_report",
    "player_composite_factors",     "team_defense_zone_analysis", "gamebook"};
constexpr const char* kSources[] = {"Nbac", "Bdl", "Espn", "BasketballRef", "Odds", "BigDataBall", "BettingPros"};
constexpr const char* kSubjects[] = {"Player", "Team",     "Game",       "Roster",  "Schedule",  "Injury",
                                     "Lines",  "Boxscore", "PlayByPlay", "Referee", "Standings", "Props"};
constexpr const char* kWorks[] = {"Summary", "Cache", "Report", "Analysis", "Factors", "Zones", "Snapshot", "Backlog"};
constexpr const char* kPhases[] = {"phase_2_raw", "phase_3_analytics", "phase_4_precompute", "phase_5_predictions"};
constexpr const char* kWorkflows[] = {"morning_operations", "injury_discovery",   "betting_lines",
                                      "post_game_window_1", "post_game_window_2", "schedule_dependency",
                                      "early_game_window"};

std::string Snake(const std::string& camel) {
  std::string out;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      if (!out.empty()) out += '_';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c;
    }
  }
  return out;
}

std::string InventName(int kind, Random* random) {
  const std::string stem = std::string(random->Of(kSources)) + random->Of(kSubjects) + random->Of(kWorks);
  if (kind == 2) return Snake(stem);
  return kind == 3 ? "prediction-worker-" + Snake(stem) : stem + "Processor";
}

JobProfile MakeJob(const std::string& name, int kind, const GenerateOptions& options, Random* random) {
  JobProfile job;
  job.name = name;
  job.kind = kind;
  job.phase = kind == 3 ? kPhases[3] : kind == 2 ? "" : kPhases[random->Between(0, 2)];
  if (kind != 1 || random->Chance(0.5)) job.workflow = random->Of(kWorkflows);
  job.service = kind == 3 ? "prediction-worker" : "nba-phase" + std::to_string(random->Between(2, 4)) + "-processors";
  job.partition = kafka::PartitionFor(options.partitioner, name, options.partitions);
  static constexpr double kVocabularies[] = {0.7, 0.06, 0.06, 0.06, 0.06, 0.06};
  job.vocabulary = static_cast<Vocabulary>(random->Weighted(kVocabularies));
  job.median_duration_s = kind == 3 ? 3 : random->LogNormal(90, 1.2);
  job.beats = random->Chance(0.3);
  job.keeps_sequence = random->Chance(0.5);
  job.tells_attempt = random->Chance(0.5);
  job.tells_start = random->Chance(0.8);
  job.tells_duration = random->Chance(0.6);
  job.fails = random->Chance(0.1) ? 0.4 : 0.04;
  return job;
}

}  // namespace

JobCatalogue::JobCatalogue(const GenerateOptions& options, Random* random)
    : workflows_(std::begin(kWorkflows), std::end(kWorkflows)) {
  std::set<std::string> names;
  double sum = 0;
  for (int i = 0; i < options.jobs; ++i) {
    static constexpr double kKinds[] = {0.65, 0.25, 0.1};
    int kind = static_cast<int>(random->Weighted(kKinds)) + 1;
    std::string name;
    if (static_cast<size_t>(i) < std::size(kKnown)) {
      name = kKnown[i];
      kind = name == "nbac_injury_report" ? 2 : 1;
    } else {
      name = InventName(kind, random);
      for (int copy = 2; names.count(name) > 0; ++copy) name = InventName(kind, random) + std::to_string(copy);
    }
    names.insert(name);
    jobs_.push_back(MakeJob(name, kind, options, random));
    sum += 1.0 / (i + 1);
    cumulative_.push_back(sum);
  }
}

size_t JobCatalogue::Draw(Random* random) const {
  const double at = random->Unit() * cumulative_.back();
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
  return std::min(static_cast<size_t>(found - cumulative_.begin()), jobs_.size() - 1);
}

}  // namespace runledger::tools
