"""What no cluster in a cloud may be: rules of Pulumi's CrossGuard."""
