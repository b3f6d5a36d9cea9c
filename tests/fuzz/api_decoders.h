// The decoders of what clients send to the API server; decoders.cc lists them with the others.
#ifndef KEELSON_TESTS_FUZZ_API_DECODERS_H_
#define KEELSON_TESTS_FUZZ_API_DECODERS_H_

#include <string_view>

namespace keelson::fuzz {

void RunApiJson(std::string_view bytes);       // message:u8, then a body of it
void RunApiYaml(std::string_view bytes);       // a text, as a value and as a pod
void RunApiProtobuf(std::string_view bytes);   // message:u8, then its bytes; and an envelope
void RunApiJsonPatch(std::string_view bytes);  // a patch of a pod
void RunApiMergePatch(std::string_view bytes);
void RunApiStrategicMerge(std::string_view bytes);
void RunApiFieldSet(std::string_view bytes);   // of managedFields
void RunApiApply(std::string_view bytes);      // a configuration, applied to a pod
void RunApiSelectors(std::string_view bytes);  // of labels, and of fields
void RunApiQuantity(std::string_view bytes);   // and times

}  // namespace keelson::fuzz

#endif  // KEELSON_TESTS_FUZZ_API_DECODERS_H_
