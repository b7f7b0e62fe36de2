"""What is told about one thing of a step: functions over the record, free of Qt."""
