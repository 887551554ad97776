// Beast's own functions, compiled once for all programs (BOOST_BEAST_SEPARATE_COMPILATION).
#include <boost/beast/src.hpp>
