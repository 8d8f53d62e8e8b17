// http/service_metrics.h: what encoders and jobs count, among the metrics.
#pragma once

#include "http/services.h"

namespace sightline::http {

/// To be called once; what `services` refers to lives as long as anybody asks its metrics.
void register_service_metrics(const Services& services);

}  // namespace sightline::http
