// HeldPin: a revision pinned as long as it lives, which may be longer than its store. Internal to
// storage/.
#ifndef KEELSON_STORAGE_HELD_PIN_H_
#define KEELSON_STORAGE_HELD_PIN_H_

#include <memory>
#include <utility>

#include "base/types.h"
#include "storage/revision_pins.h"
#include "storage/store.h"

namespace keelson::storage {

class HeldPin final : public Store::Pin {
 public:
  HeldPin(std::shared_ptr<RevisionPins> pins, Revision revision)
      : pins_(std::move(pins)), revision_(revision) {
    pins_->Add(revision_);
  }
  ~HeldPin() override { pins_->Remove(revision_); }

 private:
  const std::shared_ptr<RevisionPins> pins_;
  const Revision revision_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_HELD_PIN_H_
