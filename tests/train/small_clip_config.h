// tests/train/small_clip_config.h: a CLIP model that trains in milliseconds.
#pragma once

#include "encoders/clip_config.h"

namespace sightline::train {

/// 32 x 32 pixels, patches of 8, 50 tokens (48 begins, 49 ends and pads), texts of up to 12.
inline encoders::ClipConfig small_config() {
  encoders::ClipConfig config;
  for (encoders::ClipTowerConfig* tower : {static_cast<encoders::ClipTowerConfig*>(&config.vision),
                                           static_cast<encoders::ClipTowerConfig*>(&config.text)}) {
    tower->hidden_size = 64;
    tower->intermediate_size = 128;
    tower->num_layers = 3;
    tower->num_heads = 2;
  }
  config.vision.image_size = 32;
  config.vision.patch_size = 8;
  config.text.vocab_size = 50;
  config.text.max_positions = 12;
  config.text.bos_token_id = 48;
  config.text.eos_token_id = config.text.pad_token_id = 49;
  config.projection_dim = 32;
  return config;
}

}  // namespace sightline::train
