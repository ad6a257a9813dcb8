# Thin: meson does the work.
