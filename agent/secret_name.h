// SecretName lives with the configuration, which names secrets too.
#pragma once

#include "config/secret_name.h"  // IWYU pragma: export
