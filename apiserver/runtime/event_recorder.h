// EventRecorder: writes Events about objects, as `kubectl describe` shows them. Never blocks its
// caller: events wait in a bounded queue for a thread that sends them; what does not fit is dropped
// and counted. Alike ones are one Event with a count; see kube-surface 2.8.
#ifndef KEELSON_APISERVER_RUNTIME_EVENT_RECORDER_H_
#define KEELSON_APISERVER_RUNTIME_EVENT_RECORDER_H_

#include <memory>
#include <string>
#include <string_view>

#include "apiserver/api/json.h"
#include "apiserver/runtime/api_client.h"
#include "base/clock.h"

namespace keelson::runtime {

class EventRecorder {
 public:
  // component: "default-scheduler", "deployment-controller"; host: of kubelets.
  EventRecorder(ApiClient* client, const Clock* clock, std::string component,
                std::string host = "");
  ~EventRecorder();

  // `about` needs apiVersion, kind and metadata. `field_path`: "spec.containers{name}".
  void Normal(const api::Json& about, std::string_view reason, std::string_view message,
              std::string_view field_path = "");
  void Warning(const api::Json& about, std::string_view reason, std::string_view message,
               std::string_view field_path = "");
  // The same sender under another component's name, sharing queue and thread. Outlived by this one.
  std::unique_ptr<EventRecorder> As(std::string component) const;
  // And of another host.
  std::unique_ptr<EventRecorder> As(std::string component, std::string host) const;

 private:
  class Sender;
  EventRecorder(std::shared_ptr<Sender> sender, std::string component, std::string host);
  void Record(const api::Json& about, std::string_view type, std::string_view reason,
              std::string_view message, std::string_view field_path);

  const std::shared_ptr<Sender> sender_;
  const std::string component_;
  const std::string host_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_EVENT_RECORDER_H_
