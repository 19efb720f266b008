#include "fuzz/lenient_messages.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include "fuzz/check.h"
#include "runledger/v1/event.pb.h"

namespace runledger::fuzz {
namespace {

using google::protobuf::FieldDescriptorProto;

struct Lenient {
  google::protobuf::DescriptorPool pool;
  google::protobuf::DynamicMessageFactory factory{&pool};
  const google::protobuf::Message* event;

  Lenient() {
    google::protobuf::FileDescriptorProto file;
    v1::Event::descriptor()->file()->CopyTo(&file);
    for (auto& message : *file.mutable_message_type()) {
      for (auto& field : *message.mutable_field()) {
        if (field.type() == FieldDescriptorProto::TYPE_STRING) field.set_type(FieldDescriptorProto::TYPE_BYTES);
      }
    }
    FUZZ_CHECK(pool.BuildFile(file) != nullptr);
    event = factory.GetPrototype(pool.FindMessageTypeByName("runledger.v1.Event"));
  }
};

}  // namespace

std::unique_ptr<google::protobuf::Message> ParseLenient(std::string_view wire) {
  static Lenient lenient;
  std::unique_ptr<google::protobuf::Message> message(lenient.event->New());
  if (!message->ParseFromArray(wire.data(), static_cast<int>(wire.size()))) return nullptr;
  return message;
}

}  // namespace runledger::fuzz
