"""Text forms and byte layouts: the one copy, used by the firmware and, as `knocklet.wire`, by the host tool."""
