#include "tools/runledger/spool_drain.h"

#include <algorithm>
#include <utility>

namespace runledger::tools {

SpoolDrain::SpoolDrain(Spool* spool, EventSender* sender, Say say)
    : spool_(spool), sender_(sender), say_(std::move(say)) {}

void SpoolDrain::OnReport(uint64_t tag, const absl::Status& status) {
  const auto file = std::find_if(files_.begin(), files_.end(), [tag](const File& f) { return f.tag == tag; });
  if (file == files_.end()) return;
  if (status.ok()) {
    ++file->acknowledged;
    ++sent_;
    return;
  }
  ++(absl::IsInvalidArgument(status) ? file->refused : file->failed);
  file->reason = std::string(status.message());
}

void SpoolDrain::Begin() {
  if (active_) return;
  clean_ = true;
  const absl::Status opened = spool_->Open(false);
  if (!opened.ok()) {
    if (!absl::IsNotFound(opened)) say_(std::string(opened.message()));
    return;
  }
  const auto listing = spool_->List();
  if (!listing.ok()) return say_(std::string(listing.status().message()));
  for (const Spool::File& file : listing->waiting) names_.push_back(file.name);
  active_ = !names_.empty();
}

bool SpoolDrain::Step() {
  if (!active_) return false;
  do {
    Settle();
  } while (files_.size() < kOpenFiles && (reading_ != nullptr || Open()) && HandOver());
  Settle();
  active_ = !names_.empty() || !files_.empty();
  return active_;
}

// Takes the next file. False: there is none.
bool SpoolDrain::Open() {
  while (!names_.empty()) {
    const std::string name = std::move(names_.front());
    names_.pop_front();
    auto reader = spool_->Take(name);
    if (!reader.ok()) {
      say_(std::string(reader.status().message()));
      clean_ = false;
    } else if (*reader == nullptr) {
      clean_ = false;
    } else {
      const SpoolTarget& target = (*reader)->target();
      const bool has_target = !target.brokers.empty();  // else the file was cut short before its first event
      if (has_target && (target.partitioner != sender_->options().partitioner ||
                         !SameCluster(target.brokers, sender_->options().brokers)))
        continue;
      File file;
      file.tag = ++last_tag_;
      file.reader = std::move(*reader);
      reading_ = &files_.emplace_back(std::move(file));
      return true;
    }
  }
  return false;
}

// Hands over the file that is being read. False: there is no room now, or never.
bool SpoolDrain::HandOver() {
  while (has_message_ || reading_->reader->Next(&message_)) {
    has_message_ = true;
    const SpoolTarget& target = reading_->reader->target();
    const absl::Status status =
        sender_->SendMessage({target.topic, message_.key, message_.value, target.content_type}, reading_->tag);
    if (absl::IsResourceExhausted(status)) return false;
    has_message_ = false;
    if (status.ok()) {
      ++reading_->handed;
      continue;
    }
    reading_->reason = std::string(status.message());
    if (absl::IsInvalidArgument(status) && sender_->broken().ok()) {
      ++reading_->refused;
      ++reading_->handed;
      continue;
    }
    ++reading_->failed;  // there is no client: everything stays where it is
    ++reading_->handed;
    names_.clear();
    break;
  }
  reading_->read = true;
  reading_ = nullptr;
  return true;
}

void SpoolDrain::Settle() {
  for (auto file = files_.begin(); file != files_.end();) {
    const bool done = file->read && file->acknowledged + file->refused + file->failed == file->handed;
    if (done) SettleFile(&*file);
    file = done ? files_.erase(file) : std::next(file);
  }
}

void SpoolDrain::SettleFile(File* file) {
  SpoolReader& reader = *file->reader;
  if (file->failed > 0) {
    clean_ = false;
    return;
  }
  const std::string name = spool_->directory() + "/" + reader.name();
  absl::Status settled;
  if (!reader.damage().empty()) {
    settled = reader.SetAside("damaged");
    say_(name + " is damaged (" + reader.damage() + "): " + std::to_string(file->acknowledged) +
         " events before that were sent, and the file is set aside as " + reader.name() + ".damaged");
  } else if (file->refused > 0) {
    settled = reader.SetAside("refused");
    say_(name + ": the log refuses " + std::to_string(file->refused) + " of its events (" + file->reason +
         "); the others were sent, and the file is set aside as " + reader.name() + ".refused");
  } else {
    settled = reader.Remove();
  }
  if (settled.ok()) return;
  clean_ = false;
  say_(std::string(settled.message()));
}

}  // namespace runledger::tools
