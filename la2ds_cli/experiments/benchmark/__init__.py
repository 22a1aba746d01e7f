"""Methods side by side: the paper's Tables 1 to 3 on any projects, beside baselines and costs."""
