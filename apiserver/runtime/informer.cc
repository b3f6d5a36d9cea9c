#include "apiserver/runtime/informer.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/runtime/log.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/random.h"

namespace keelson::runtime {
namespace {

using api::Json;

constexpr int64_t kPage = 500;
// A watch that ends without a word sooner than that is a failure.
constexpr absl::Duration kWatchMin = absl::Seconds(1);

// Ordered by namespace, then by name.
std::string StoreKey(std::string_view name_space, std::string_view name) {
  return Concat(name_space, std::string_view("\0", 1), name);
}

}  // namespace

class Informer::Impl {
 public:
  Impl(ApiClient* client, InformerOptions options)
      : client_(client),
        options_(std::move(options)),
        chance_(SystemSeed()),
        pause_(options_.backoff_first),
        next_resync_(clock_.Now() + options_.resync) {}
  ~Impl() { Stop(); }

  void AddIndex(std::string name, IndexFunction function) {
    absl::MutexLock lock(&mu_);
    KV_CHECK(objects_.empty() && !started_) << "an index of an informer that runs";
    indexes_[std::move(name)].function = std::move(function);
  }

  void AddHandler(InformerHandler handler) {
    {
      absl::MutexLock lock(&mu_);
      new_handlers_.push_back(std::move(handler));
      if (!started_) return;
    }
    client_->WakeWatches();
  }

  void Start() {
    absl::MutexLock lock(&mu_);
    if (started_) return;
    started_ = true;
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
      changed_.SignalAll();
    }
    client_->WakeWatches();
    if (thread_.joinable()) thread_.join();
  }

  bool WaitSynced(absl::Duration timeout) {
    const absl::Duration deadline = clock_.Now() + timeout;
    absl::MutexLock lock(&mu_);
    while (!synced_ && !stopping_) {
      if (changed_.WaitWithTimeout(&mu_, deadline - clock_.Now()) && clock_.Now() >= deadline) {
        break;
      }
    }
    return synced_;
  }
  bool synced() const {
    absl::MutexLock lock(&mu_);
    return synced_;
  }

  Object Get(std::string_view name_space, std::string_view name) const {
    const std::string key = StoreKey(name_space, name);
    absl::ReaderMutexLock lock(&mu_);
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second;
  }

  std::vector<Object> List(std::string_view name_space) const {
    std::vector<Object> found;
    const std::string prefix = name_space.empty() ? "" : StoreKey(name_space, "");
    absl::ReaderMutexLock lock(&mu_);
    if (prefix.empty()) found.reserve(objects_.size());
    for (auto at = objects_.lower_bound(prefix);
         at != objects_.end() && at->first.starts_with(prefix); ++at) {
      found.push_back(at->second);
    }
    return found;
  }

  std::vector<Object> ByIndex(std::string_view name, std::string_view value) const {
    std::vector<Object> found;
    absl::ReaderMutexLock lock(&mu_);
    const auto index = indexes_.find(name);
    KV_CHECK(index != indexes_.end()) << "no index " << name;
    const auto entry = index->second.entries.find(std::string(value));
    if (entry == index->second.entries.end()) return found;
    found.reserve(entry->second.size());
    for (const auto& [key, object] : entry->second) found.push_back(object);
    return found;
  }

  size_t size() const {
    absl::ReaderMutexLock lock(&mu_);
    return objects_.size();
  }

 private:
  struct Index {
    IndexFunction function;
    // The keys are those of objects_.
    std::unordered_map<std::string, std::map<std::string_view, Object>> entries;
  };

  void Run();
  // Until the copy must be listed anew, or the end.
  absl::Status ListAndWatch();
  absl::Status Refresh();
  absl::Status ListPages(int64_t limit, std::map<std::string, Object>* objects,
                         std::string* version);
  absl::Status Watch();
  bool OnEvent(WatchEvent event, absl::Status* error);
  // Puts it in, or takes it away (null); gives what was there.
  Object Put(const std::string& key, Object object);
  void Replace(std::map<std::string, Object> objects);
  void ShowNewHandlers();
  void Resync();
  void Pause();
  bool stopping() const {
    absl::ReaderMutexLock lock(&mu_);
    return stopping_;
  }
  Object Trimmed(Json object) const {
    // Thousands of lines that no controller reads.
    api::Erase(object, "metadata.managedFields");
    if (options_.trim != nullptr) options_.trim(object);
    return std::make_shared<const Json>(std::move(object));
  }
  // What is kept of such a one.
  Object Packed(const Object& object) const {
    if (options_.pack == nullptr || object == nullptr) return object;
    return std::make_shared<const Json>(options_.pack(*object));
  }

  ApiClient* const client_;
  const InformerOptions options_;
  const RealClock clock_;

  // Of the informer's thread.
  SeededRandom chance_;
  absl::Duration pause_;
  absl::Duration next_resync_;
  std::string version_ = "0";  // where the next list or watch begins
  std::vector<InformerHandler> handlers_;

  std::thread thread_;

  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  std::map<std::string, Object> objects_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Index, std::less<>> indexes_ ABSL_GUARDED_BY(mu_);
  std::vector<InformerHandler> new_handlers_ ABSL_GUARDED_BY(mu_);  // that know nothing yet
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool synced_ ABSL_GUARDED_BY(mu_) = false;
};

void Informer::Impl::Run() {
  while (!stopping()) {
    const absl::Duration began = clock_.Now();
    const absl::Status status = ListAndWatch();
    if (stopping()) return;
    if (!api::IsExpired(status)) {
      LogWarning(Concat("cannot follow ", options_.resource.plural, ": ", status.ToString()));
    } else if (clock_.Now() - began >= kWatchMin) {
      continue;
    }
    Pause();
  }
}

absl::Status Informer::Impl::ListAndWatch() {
  absl::Status status = Refresh();
  if (!status.ok()) return status;
  while (!stopping()) {
    const absl::Duration began = clock_.Now();
    status = Watch();
    if (api::IsExpired(status)) {
      version_.clear();  // as new as can be
      return status;
    }
    if (absl::IsCancelled(status)) return status;
    if (status.ok() && clock_.Now() - began >= kWatchMin) {
      pause_ = options_.backoff_first;
      continue;
    }
    // The copy is as good as it was: go on from where it is, a little later.
    if (!status.ok()) {
      LogDebug(Concat("the watch of ", options_.resource.plural, " broke: ", status.ToString()));
    }
    Pause();
  }
  return absl::OkStatus();
}

absl::Status Informer::Impl::ListPages(int64_t limit, std::map<std::string, Object>* objects,
                                       std::string* version) {
  ListOptions options = options_.selectors;
  options.limit = limit;
  options.resource_version = version_;
  do {
    absl::StatusOr<Json> page = client_->List(options_.resource, options_.name_space, options);
    if (!page.ok()) return page.status();
    if (stopping()) return absl::CancelledError("stopped");
    if (version->empty()) *version = api::TextAt(*page, "metadata.resourceVersion");
    options.continue_token = api::TextAt(*page, "metadata.continue");
    options.resource_version.clear();
    // Items of a list do not say what they are.
    std::string kind = api::TextAt(*page, "kind");
    if (kind.ends_with("List")) kind.resize(kind.size() - 4);
    const std::string api_version = api::TextAt(*page, "apiVersion");
    Json* items = api::Find(*page, "items");
    if (items == nullptr || !items->is_array()) continue;
    for (Json& item : *items) {
      api::SetDefault(item, "kind", kind);
      api::SetDefault(item, "apiVersion", api_version);
      const std::string key = StoreKey(api::NamespaceOf(item), api::NameOf(item));
      (*objects)[key] = Packed(Trimmed(std::move(item)));
    }
  } while (!options.continue_token.empty());
  return absl::OkStatus();
}

absl::Status Informer::Impl::Refresh() {
  std::map<std::string, Object> objects;
  std::string version;
  absl::Status status = ListPages(kPage, &objects, &version);
  if (api::IsExpired(status)) {
    // History was compacted between two pages.
    objects.clear();
    version.clear();
    version_.clear();
    status = ListPages(0, &objects, &version);
  }
  if (!status.ok()) return status;
  ShowNewHandlers();
  Replace(std::move(objects));
  version_ = version;
  pause_ = options_.backoff_first;
  absl::MutexLock lock(&mu_);
  synced_ = true;
  changed_.SignalAll();
  return absl::OkStatus();
}

absl::Status Informer::Impl::Watch() {
  ListOptions options = options_.selectors;
  options.resource_version = version_;
  absl::Status error;
  const absl::Status status = client_->Watch(
      options_.resource, options_.name_space, options,
      [&](WatchEvent event) { return OnEvent(std::move(event), &error); },
      [&] {
        ShowNewHandlers();
        if (clock_.Now() >= next_resync_) Resync();
        return stopping();
      });
  return error.ok() ? status : error;
}

bool Informer::Impl::OnEvent(WatchEvent event, absl::Status* error) {
  if (event.type == WatchEvent::Type::kError) {
    *error =
        api::FromAnswer(static_cast<int>(api::NumberAt(event.object, "code", 500)), event.object);
    return false;
  }
  const std::string version = api::TextAt(event.object, "metadata.resourceVersion");
  if (event.type != WatchEvent::Type::kBookmark) {
    const std::string key = StoreKey(api::NamespaceOf(event.object), api::NameOf(event.object));
    const Object now = Trimmed(std::move(event.object));
    ShowNewHandlers();
    const bool gone = event.type == WatchEvent::Type::kDeleted;
    const Object before = Put(key, gone ? nullptr : Packed(now));
    for (const InformerHandler& handler : handlers_) {
      if (gone) {
        if (before != nullptr && handler.on_delete) handler.on_delete(now);
      } else if (before == nullptr) {
        if (handler.on_add) handler.on_add(now);
      } else if (handler.on_update) {
        handler.on_update(before, now);
      }
    }
  }
  if (!version.empty()) version_ = version;
  pause_ = options_.backoff_first;
  return !stopping();
}

Object Informer::Impl::Put(const std::string& key, Object object) {
  absl::MutexLock lock(&mu_);
  const auto [entry, is_new] = objects_.try_emplace(key);
  const Object before = std::exchange(entry->second, object);
  for (auto& [name, index] : indexes_) {
    std::vector<std::string> then, now;
    if (before != nullptr) then = index.function(*before);
    if (object != nullptr) now = index.function(*object);
    if (then != now) {
      for (const std::string& value : then) {
        const auto found = index.entries.find(value);
        if (found == index.entries.end()) continue;
        found->second.erase(entry->first);
        if (found->second.empty()) index.entries.erase(found);
      }
    }
    for (std::string& value : now) index.entries[std::move(value)][entry->first] = object;
  }
  if (object == nullptr) objects_.erase(entry);
  return before;
}

void Informer::Impl::Replace(std::map<std::string, Object> objects) {
  std::vector<std::string> gone;
  {
    absl::ReaderMutexLock lock(&mu_);
    for (const auto& [key, object] : objects_) {
      if (!objects.contains(key)) gone.push_back(key);
    }
  }
  for (const std::string& key : gone) {
    const Object last = Put(key, nullptr);
    for (const InformerHandler& handler : handlers_) {
      if (handler.on_delete) handler.on_delete(last);
    }
  }
  for (auto& [key, object] : objects) {
    const Object before = Put(key, object);
    for (const InformerHandler& handler : handlers_) {
      if (before == nullptr) {
        if (handler.on_add) handler.on_add(object);
      } else if (handler.on_update) {
        handler.on_update(before, object);
      }
    }
  }
}

void Informer::Impl::ShowNewHandlers() {
  std::vector<InformerHandler> added;
  {
    absl::MutexLock lock(&mu_);
    if (new_handlers_.empty()) return;
    added.swap(new_handlers_);
  }
  const std::vector<Object> all = List("");
  for (InformerHandler& handler : added) {
    if (handler.on_add) {
      for (const Object& object : all) handler.on_add(object);
    }
    handlers_.push_back(std::move(handler));
  }
}

void Informer::Impl::Resync() {
  next_resync_ = clock_.Now() + options_.resync;
  for (const Object& object : List("")) {
    for (const InformerHandler& handler : handlers_) {
      if (handler.on_update) handler.on_update(object, object);
    }
  }
}

void Informer::Impl::Pause() {
  const auto extra = static_cast<double>(chance_.Below(1000)) / 1000;
  const absl::Duration deadline = clock_.Now() + pause_ * (1 + extra);
  pause_ = std::min(pause_ * 2, options_.backoff_max);
  absl::MutexLock lock(&mu_);
  while (!stopping_ && clock_.Now() < deadline) {
    changed_.WaitWithTimeout(&mu_, deadline - clock_.Now());
  }
}

Informer::Informer(ApiClient* client, InformerOptions options)
    : impl_(std::make_unique<Impl>(client, std::move(options))) {}
Informer::~Informer() = default;
void Informer::AddIndex(std::string name, IndexFunction function) {
  impl_->AddIndex(std::move(name), std::move(function));
}
void Informer::AddHandler(InformerHandler handler) { impl_->AddHandler(std::move(handler)); }
void Informer::Start() { impl_->Start(); }
void Informer::Stop() { impl_->Stop(); }
bool Informer::WaitSynced(absl::Duration timeout) { return impl_->WaitSynced(timeout); }
bool Informer::synced() const { return impl_->synced(); }
Object Informer::Get(std::string_view name_space, std::string_view name) const {
  return impl_->Get(name_space, name);
}
std::vector<Object> Informer::List(std::string_view name_space) const {
  return impl_->List(name_space);
}
std::vector<Object> Informer::ByIndex(std::string_view index, std::string_view value) const {
  return impl_->ByIndex(index, value);
}
size_t Informer::size() const { return impl_->size(); }

class InformerFactory::Impl {
 public:
  explicit Impl(ApiClient* client) : client_(client) {}

  Informer& For(const Resource& resource, void (*trim)(Json& object)) {
    absl::MutexLock lock(&mu_);
    for (const auto& [known, informer] : informers_) {
      if (known == resource) return *informer;
    }
    informers_.emplace_back(
        resource,
        std::make_unique<Informer>(client_, InformerOptions{.resource = resource, .trim = trim}));
    Informer& informer = *informers_.back().second;
    if (started_) informer.Start();
    return informer;
  }

  Informer* Find(const Resource& resource) {
    absl::MutexLock lock(&mu_);
    for (const auto& [known, informer] : informers_) {
      if (known == resource) return informer.get();
    }
    return nullptr;
  }

  void StartAll() {
    absl::MutexLock lock(&mu_);
    started_ = true;
    for (const auto& [resource, informer] : informers_) informer->Start();
  }

  bool WaitSynced(absl::Duration timeout) {
    const RealClock clock;
    const absl::Duration deadline = clock.Now() + timeout;
    for (Informer* informer : All()) {
      if (!informer->WaitSynced(deadline - clock.Now())) return false;
    }
    return true;
  }

  void StopAll() {
    for (Informer* informer : All()) informer->Stop();
  }

 private:
  std::vector<Informer*> All() {
    absl::MutexLock lock(&mu_);
    std::vector<Informer*> all;
    for (const auto& [resource, informer] : informers_) all.push_back(informer.get());
    return all;
  }

  ApiClient* const client_;
  absl::Mutex mu_;
  std::vector<std::pair<Resource, std::unique_ptr<Informer>>> informers_ ABSL_GUARDED_BY(mu_);
  bool started_ ABSL_GUARDED_BY(mu_) = false;
};

InformerFactory::InformerFactory(ApiClient* client) : impl_(std::make_unique<Impl>(client)) {}
InformerFactory::~InformerFactory() = default;
Informer& InformerFactory::For(const Resource& resource, void (*trim)(Json& object)) {
  return impl_->For(resource, trim);
}
Informer* InformerFactory::Find(const Resource& resource) { return impl_->Find(resource); }
void InformerFactory::StartAll() { impl_->StartAll(); }
bool InformerFactory::WaitSynced(absl::Duration timeout) { return impl_->WaitSynced(timeout); }
void InformerFactory::StopAll() { impl_->StopAll(); }

}  // namespace keelson::runtime
