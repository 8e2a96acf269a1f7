/*
 * version.h - what --version says.
 */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

#define SHAPEWIRE_VERSION "0.1.0"

#endif
